import { hexDigest } from "./digest.ts"
import { isGrease } from "./grease.ts"
import type { ClientHello } from "./hello.ts"

/** The fields of JA3 as text: decimal numbers in wire order, GREASE left out. */
export function ja3String(hello: ClientHello): string {
  return [
    String(hello.legacyVersion),
    join(hello.cipherSuites),
    join(hello.extensionTypes),
    join(hello.supportedGroups),
    join(hello.ecPointFormats),
  ].join(",")
}

/** JA3 fingerprint: MD5 of {@link ja3String}. */
export function ja3(hello: ClientHello): string {
  return hexDigest("md5", ja3String(hello))
}

function join(values: readonly number[]): string {
  return values.filter((value) => !isGrease(value)).join("-")
}
