/** Throws on inputs behind a few conditions that random bytes alone do not meet. */
export function fuzz(data: Buffer): void {
  if (data[0] !== 0x46) return
  if (data[1] !== 0x75) return
  if (data.readUInt16BE(2) !== data.length) throw new Error("found by its coverage")
}
