/** Nothing is wrong with this one. */
export function fuzz(data: Buffer): void {
  let sum = 0
  for (const byte of data) sum += byte
  if (sum < 0) throw new Error("bytes are not negative")
}
