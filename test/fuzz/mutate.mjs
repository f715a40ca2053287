/** Lengths at which formats and names end, and their neighbours. */
const LIMITS = [31, 32, 33, 62, 63, 64, 98, 99, 100, 127, 128, 252, 253, 254, 255, 256]

/**
 * Makes new inputs from old ones: flips, sets, removes, inserts, repeats, splices, and what formats of lengths need:
 * a length put right for what follows it, and a stretch removed or inserted with a length before it kept in step.
 *
 * @param {{ seed: number, dictionary: readonly string[], maxInput: number }} options
 * @returns {(corpus: readonly Uint8Array[]) => Uint8Array}
 */
export function createMutator({ seed, dictionary, maxInput }) {
  const random = xorshift(seed)
  const tokens = dictionary.map((hex) => Buffer.from(hex, "hex"))
  /** @param {number} below */
  const below = (below) => (below <= 0 ? 0 : random() % below)
  /** @param {Uint8Array} bytes */
  const stretch = (bytes) => {
    const start = below(bytes.length)
    // Half the time what looks like an element: a tag of 0 to 2 bytes, a length of 1 to 3, and so many bytes.
    const header = below(4) + 1
    const length = bigEndian(bytes, start + header - 1 - below(header), start + header)
    const end = start + header + length
    if (below(2) === 0 && end <= bytes.length) return { start, end }
    return { start, end: Math.min(bytes.length, start + 1 + below(below(2) === 0 ? 8 : 200)) }
  }

  /** @type {((input: Uint8Array, corpus: readonly Uint8Array[]) => Uint8Array)[]} */
  const mutations = [
    (input) => changed(input, below(input.length), (byte) => byte ^ (1 << below(8))),
    (input) => changed(input, below(input.length), () => below(256)),
    (input) => changed(input, below(input.length), (byte) => byte + below(9) - 4),
    (input) => changed(input, below(input.length), () => [0, 1, 2, 3, 127, 128, 254, 255][below(8)] ?? 0),
    (input) => {
      const { start, end } = stretch(input)
      return replaced(input, start, end, new Uint8Array(0))
    },
    (input) => replaced(input, below(input.length + 1), undefined, Uint8Array.of(below(256))),
    // Text is made of few characters: one that is there already is likely to mean something elsewhere.
    (input) => replaced(input, below(input.length + 1), undefined, Uint8Array.of(input[below(input.length)] ?? 0)),
    (input) => replaced(input, below(input.length + 1), undefined, tokens[below(tokens.length)] ?? new Uint8Array(0)),
    (input) => {
      const token = tokens[below(tokens.length)] ?? new Uint8Array(0)
      const start = below(input.length)
      return replaced(input, start, Math.min(input.length, start + token.length), token)
    },
    (input) => {
      const { start, end } = stretch(input)
      return replaced(input, below(input.length + 1), undefined, input.slice(start, end))
    },
    (input) => {
      // Many times over, so that work which grows with the square of its input shows.
      const { start, end } = stretch(input)
      const times = Math.min(1 << below(10), Math.ceil(maxInput / Math.max(1, end - start)))
      return replaced(input, start, undefined, Buffer.concat(new Array(times).fill(input.slice(start, end))))
    },
    (input, corpus) => {
      const other = corpus[below(corpus.length)] ?? input
      return replaced(input, below(input.length + 1), input.length, other.subarray(below(other.length)))
    },
    (input, corpus) => {
      const other = corpus[below(corpus.length)] ?? input
      const { start, end } = stretch(other)
      return replaced(input, below(input.length + 1), undefined, other.subarray(start, end))
    },
    (input) => {
      const size = 1 + below(3)
      const at = below(input.length)
      const rest = input.length - at - size
      return withLength(input, at, size, below(2) === 0 ? rest : below(rest + 1))
    },
    (input) => {
      // Removes a stretch, or inserts one, and changes every 16-bit length before it that may count it.
      const { start, end } = stretch(input)
      const grows = below(3) > 0
      const run = below(2) === 0 ? (LIMITS[below(LIMITS.length)] ?? 1) : 1 + below(16)
      const part = below(2) === 0 ? input.slice(start, end) : new Uint8Array(run).fill(input[start] ?? 0)
      const upTo = grows ? start : end
      let result = replaced(input, start, upTo, grows ? part : new Uint8Array(0))
      const by = result.length - input.length
      for (let at = 0; at + 1 < start; at += 1) {
        const length = bigEndian(input, at, at + 2)
        const reach = at + 2 + length
        if (length > 0 && reach >= upTo && reach <= input.length) result = withLength(result, at, 2, length + by)
      }
      return result
    },
  ]

  return (corpus) => {
    // Half of the picks are among the newest: what opened new code is worth most.
    const newest = below(2) === 0 ? Math.min(corpus.length, 32) : corpus.length
    let input = corpus[corpus.length - 1 - below(newest)] ?? new Uint8Array(1)
    for (let count = 1 + below(4); count > 0; count -= 1) {
      const mutation = mutations[below(mutations.length)]
      if (mutation !== undefined) input = mutation(input.length === 0 ? new Uint8Array(1) : input, corpus)
    }
    return input.subarray(0, maxInput)
  }
}

/**
 * @param {Uint8Array} bytes
 * @param {number} start
 * @param {number} end
 */
function bigEndian(bytes, start, end) {
  let value = 0
  for (let at = start; at < end; at += 1) value = value * 256 + (bytes[at] ?? 0)
  return value
}

/**
 * @param {Uint8Array} input
 * @param {number} at
 * @param {(byte: number) => number} change
 */
function changed(input, at, change) {
  const result = Uint8Array.from(input)
  result[at] = change(input[at] ?? 0)
  return result
}

/**
 * @param {Uint8Array} input
 * @param {number} start
 * @param {number | undefined} end
 * @param {Uint8Array} part
 */
function replaced(input, start, end, part) {
  return Uint8Array.from(Buffer.concat([input.subarray(0, start), part, input.subarray(end ?? start)]))
}

/**
 * @param {Uint8Array} input
 * @param {number} at
 * @param {number} size
 * @param {number} length
 */
function withLength(input, at, size, length) {
  const result = Uint8Array.from(input)
  for (let index = 0; index < size && at + index < result.length; index += 1) {
    result[at + index] = length >>> (8 * (size - 1 - index))
  }
  return result
}

/**
 * Marsaglia's xorshift: the same seed gives the same run.
 *
 * @param {number} seed
 */
function xorshift(seed) {
  let state = (seed | 0) === 0 ? 1 : seed | 0
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}
