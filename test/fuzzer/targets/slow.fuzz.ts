/** Takes long over some inputs, in what is built in and counts no statements. */
export function fuzz(data: Buffer): void {
  if (data.length > 20) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 700)
}
