interface Hash {
  update(text: string): Hash
  digest(encoding: "hex"): string
}

interface NodeLike {
  readonly process?: {
    getBuiltinModule?(id: "node:crypto"): { createHash(algorithm: string): Hash } | undefined
  }
}

/**
 * Hex digest of ASCII text. Asks the running Node.js for its own crypto instead of importing it, so that the
 * parser, which needs no digest, loads in a browser too.
 *
 * @throws Error where there is no `node:crypto`
 */
export function hexDigest(algorithm: "md5" | "sha256", text: string): string {
  const crypto = (globalThis as NodeLike).process?.getBuiltinModule?.("node:crypto")
  if (crypto === undefined) throw new Error("Fingerprints need Node.js: its node:crypto computes their digests.")
  return crypto.createHash(algorithm).update(text).digest("hex")
}
