/**
 * A 32-bit hash of text, character by character, so that whoever walks a text has the hash of every part of it on the
 * way: {@link startHash}, then {@link extendHash} for each UTF-16 unit, then {@link finishHash}. Not for secrets.
 */
export function startHash(seed: number): number {
  return (0x811c9dc5 ^ Math.imul(seed, 0x9e3779b1)) | 0
}

/** State of the hash after one more character. */
export function extendHash(state: number, character: number): number {
  const mixed = Math.imul(state ^ character, 0x5bd1_e995)
  return mixed ^ (mixed >>> 15)
}

/** The hash of a state, as a signed number, finished as in MurmurHash3: close texts land far apart, and every bit depends on all of it. */
export function finishHash(state: number): number {
  let value = Math.imul(state ^ (state >>> 16), 0x85eb_ca6b)
  value = Math.imul(value ^ (value >>> 13), 0xc2b2_ae35)
  return value ^ (value >>> 16)
}

/** Hash of a whole text, read forwards: from 0 to 2³² - 1. */
export function hashText(text: string, seed = 0): number {
  let state = startHash(seed)
  for (let at = 0; at < text.length; at++) state = extendHash(state, text.charCodeAt(at))
  return finishHash(state) >>> 0
}
