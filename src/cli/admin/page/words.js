// Numbers and times, in words.

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"]

export function bytes(value) {
  if (value < 1000) return `${Math.round(value)} B`
  const power = Math.min(Math.floor(Math.log10(value) / 3), UNITS.length - 1)
  return `${(value / 1000 ** power).toPrecision(3)} ${UNITS[power]}`
}

export const rate = (value) => `${bytes(value)}/s`
export const perSecond = (value) => (value >= 10 ? Math.round(value) : Math.round(value * 10) / 10).toLocaleString()
export const whole = (value) => value.toLocaleString()

export function span(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000))
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`
}

/** A phase of a connection; nothing where it is not over. */
export const milliseconds = (value) => (typeof value === "number" ? `${value.toPrecision(3)} ms` : "not yet")

export const clock = (time) => new Date(time).toLocaleTimeString()
export const plural = (count, noun) => `${whole(count)} ${noun}${count === 1 ? "" : "s"}`

/** A code point of TLS. */
export const code = (number) => `0x${number.toString(16).padStart(4, "0")}`
