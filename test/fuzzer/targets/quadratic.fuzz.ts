/** Takes time that grows with the square of its input: for 8 KiB still only a fraction of a second. */
export function fuzz(data: Buffer): void {
  let equal = 0
  for (const a of data) for (const b of data) equal += a === b ? 1 : 0
  if (equal < 0) throw new Error("a count is not negative")
}
