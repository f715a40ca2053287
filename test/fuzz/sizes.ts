/** Sizes of 1 to 300, mostly below 12, that follow from the data, so that a finding comes back. */
export function sizes(data: Buffer, salt: number): () => number {
  let state = (data.length * 31 + (data.at(-1) ?? 0)) * 31 + salt
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    return 1 + ((state >> 16) % ((state & 3) === 0 ? 300 : 12))
  }
}
