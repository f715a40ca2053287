import { Random } from "./random.ts"

// Of prime length, so that a piece of any usual size that is lost, or comes twice, puts the rest out of step.
const LENGTH = 65_521
const BLOCK = makeBlock()

function makeBlock(): Buffer {
  const random = new Random(1)
  const block = Buffer.alloc(2 * LENGTH)
  for (let at = 0; at < LENGTH; at += 1) block[at] = random.below(256)
  block.copy(block, LENGTH, 0, LENGTH)
  return block
}

/** The bytes of one direction of one connection: known in advance at every place, so that each can be checked as it comes. */
export class Pattern {
  readonly #start: number

  /** @param seed - tells the stream from others */
  constructor(seed: number) {
    this.#start = seed % LENGTH
  }

  /** Bytes from `offset` on; never more than a block. A view: do not write to it. */
  bytes(offset: number, count: number): Buffer {
    const from = (this.#start + offset) % LENGTH
    return BLOCK.subarray(from, from + Math.min(count, LENGTH))
  }

  /** Where the first byte is that is not as it must be, counted from the beginning of the stream. */
  firstWrong(offset: number, chunk: Buffer): number | undefined {
    for (let at = 0; at < chunk.length; at += LENGTH) {
      const part = chunk.subarray(at, at + LENGTH)
      const expected = this.bytes(offset + at, part.length)
      if (part.equals(expected)) continue
      return offset + at + part.findIndex((byte, index) => byte !== expected[index])
    }
    return undefined
  }
}
