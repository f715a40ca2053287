/** Never comes back from some inputs. */
export function fuzz(data: Buffer): void {
  for (let at = 0; at < data.length; ) at += (data[at] ?? 0) === 0x77 ? 0 : 1
}
