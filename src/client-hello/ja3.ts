import { hexDigest } from "./digest.ts"
import type { Fingerprinted } from "./fingerprinted.ts"
import { isGrease } from "./grease.ts"

/** The fields of JA3 as text: decimal numbers in wire order, GREASE left out. */
export function ja3String(hello: Fingerprinted): string {
  return [
    String(hello.legacyVersion),
    join(hello.cipherSuites),
    join(hello.extensionTypes),
    join(hello.supportedGroups),
    join(hello.ecPointFormats),
  ].join(",")
}

/** JA3 fingerprint: MD5 of {@link ja3String}. */
export function ja3(hello: Fingerprinted): string {
  return hexDigest("md5", ja3String(hello))
}

function join(values: readonly number[]): string {
  return values.filter((value) => !isGrease(value)).join("-")
}
