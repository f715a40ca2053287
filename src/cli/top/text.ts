import { printable } from "../shared/terminal.ts"

/** How a piece of a line looks. */
export type Look = "bold" | "dim" | "red" | "yellow" | "green" | "cyan"

/** A piece of a line: printable ASCII only, so that each character is one column wide. */
export interface Span {
  readonly text: string
  readonly look?: Look | undefined
}

/** One line of the screen, without its end. */
export type Line = readonly Span[]

/** Characters of one text that are looked at: more than any name has, and than a screen is wide. */
const MOST_CHARACTERS = 1_000

/**
 * A piece of a line from a text that a client, a manifest or a server chose. Beyond what is unsafe to print, whatever is
 * not ASCII is written as an escape: terminals do not agree on how many columns it takes.
 */
export function span(text: string, look?: Look): Span {
  const cut = text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}~` : text
  const ascii = printable(cut).replace(/[^\x20-\x7e]/gu, (character) => {
    return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
  })
  return look === undefined ? { text: ascii } : { text: ascii, look }
}

/** How many columns a line takes. */
function widthOf(line: Line): number {
  return line.reduce((all, { text }) => all + text.length, 0)
}

/** The line, cut to so many columns, with a mark where something is missing. */
export function clip(line: Line, columns: number): Line {
  if (widthOf(line) <= columns) return line
  let left = columns - 1
  const cut: Span[] = []
  for (const piece of line) {
    if (left <= 0) break
    cut.push(piece.text.length <= left ? piece : { ...piece, text: piece.text.slice(0, left) })
    left -= piece.text.length
  }
  return columns > 0 ? [...cut, { text: "~", look: "dim" }] : []
}

/** One column of a table. */
export interface Column {
  readonly title: string
  /** Numbers stand at the right and are never cut. */
  readonly kind: "text" | "number"
  /** Where there is no room for all, the column with the highest number goes first; 0 stays. */
  readonly goes: number
}

/** Columns that a text is not cut below while another column can go instead. */
const LEAST_TEXT = 14
const GAP = 2

/**
 * Lines of a table: its head, then one for each row.
 *
 * @param rows - one piece for each column
 * @param columns - how wide it may be; `Infinity` cuts nothing
 */
export function table(head: readonly Column[], rows: readonly Line[], columns: number): readonly Line[] {
  const natural = head.map(({ title }, at) =>
    rows.reduce((most, row) => Math.max(most, row[at]?.text.length ?? 0), title.length),
  )
  let kept = head.map((_, at) => at)
  const least = (at: number): number =>
    head[at]?.kind === "number" ? (natural[at] ?? 0) : Math.min(natural[at] ?? 0, LEAST_TEXT)
  const needed = (): number => kept.reduce((all, at) => all + least(at) + GAP, -GAP)
  while (needed() > columns) {
    const goes = kept.reduce((last, at) => ((head[at]?.goes ?? 0) > (head[last]?.goes ?? 0) ? at : last), kept[0] ?? 0)
    if ((head[goes]?.goes ?? 0) === 0) break
    kept = kept.filter((at) => at !== goes)
  }
  const fixed = kept.reduce((all, at) => all + (head[at]?.kind === "number" ? least(at) : 0) + GAP, -GAP)
  const texts = kept.filter((at) => head[at]?.kind === "text")
  const shares = share(
    columns - fixed,
    texts.map((at) => natural[at] ?? 0),
  )
  const widthAt = (at: number): number => {
    const text = texts.indexOf(at)
    return text < 0 ? least(at) : (shares[text] ?? 0)
  }
  const draw = (cells: Line, look?: Look): Line =>
    clip(
      kept.flatMap((at, place) => {
        const cell = cells[at] ?? { text: "" }
        const width = widthAt(at)
        const drawn = clip([look === undefined ? cell : { ...cell, look }], width)
        const pad = { text: " ".repeat(Math.max(0, width - widthOf(drawn))) }
        const gap = { text: place === kept.length - 1 ? "" : " ".repeat(GAP) }
        if (head[at]?.kind === "number") return [pad, ...drawn, gap]
        return place === kept.length - 1 ? drawn : [...drawn, pad, gap]
      }),
      columns,
    )
  return [
    draw(
      head.map(({ title }) => ({ text: title })),
      "dim",
    ),
    ...rows.map((row) => draw(row)),
  ]
}

/** Shares what there is among those who want some: nobody gets more than it wants, nor less than another that wants more. */
export function share(available: number, wants: readonly number[]): readonly number[] {
  let left = Math.max(0, available)
  const given = wants.map(() => 0)
  const order = wants.map((_, at) => at).sort((a, b) => (wants[a] ?? 0) - (wants[b] ?? 0))
  for (const [served, at] of order.entries()) {
    const fair = Math.floor(left / (order.length - served))
    given[at] = Math.min(wants[at] ?? 0, fair)
    left -= given[at]
  }
  return given
}

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"]

/** Bytes in three digits. */
export function bytes(value: number): string {
  if (value < 1_000) return `${Math.round(value)} B`
  const power = Math.min(Math.floor(Math.log10(value) / 3), UNITS.length - 1)
  return `${Number((value / 1_000 ** power).toPrecision(3))} ${UNITS[power]}`
}

/** How often in a second. */
export function perSecond(value: number): string {
  return String(value >= 10 ? Math.round(value) : Math.round(value * 10) / 10)
}

/** A time in milliseconds, in the two units that matter. */
export function duration(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1_000))
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m ${seconds % 60}s`
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)}h ${Math.floor((seconds % 3_600) / 60)}m`
  return `${Math.floor(seconds / 86_400)}d ${Math.floor((seconds % 86_400) / 3_600)}h`
}
