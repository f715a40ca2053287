/**
 * One of these words, as TypeScript infers it of a plain object in a variable: a string. Any other is told of where it is
 * read.
 */
export type OneOf<Words extends string> = Words | (string & {})

/** The same, once it was looked at. */
export function wordOf<Words extends string>(word: OneOf<Words>): Words {
  return word as Words
}
