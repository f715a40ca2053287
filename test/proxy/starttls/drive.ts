import type { Prelude, StarttlsCode } from "../../../src/proxy/starttls/prelude.ts"

/** What became of a prelude. */
export interface Driven {
  readonly status: "more" | "tls" | "refused"
  readonly code: StarttlsCode | undefined
  /** Everything sent to the peer, the opening included. */
  readonly sent: Buffer
  /** Bytes of the peer's that belong to the prelude. */
  readonly consumed: number
  /** Bytes pushed. */
  readonly pushed: number
}

/** Feeds a prelude in chunks of the sizes given until it is final, or there is nothing left. */
export function drive(prelude: Prelude, bytes: Uint8Array, size: () => number): Driven {
  const sent: Uint8Array[] = prelude.opening === undefined ? [] : [prelude.opening]
  let at = 0
  while (at < bytes.length) {
    const next = Math.min(bytes.length, at + Math.max(1, size()))
    // A copy, wiped afterwards: a prelude must not keep what it was given.
    const chunk = Buffer.from(bytes.subarray(at, next))
    const step = prelude.push(chunk)
    at = next
    if (step.send !== undefined) sent.push(step.send)
    if (step.status === "tls") {
      const consumed = at - step.rest.length
      return { status: "tls", code: undefined, sent: Buffer.concat(sent), consumed, pushed: at }
    }
    if (step.status === "refused") {
      return { status: "refused", code: step.code, sent: Buffer.concat(sent), consumed: at, pushed: at }
    }
    chunk.fill(0xff)
  }
  return { status: "more", code: undefined, sent: Buffer.concat(sent), consumed: at, pushed: at }
}

/** A dialogue: each thing the peer says, with what it is told before it says the next. */
export interface Dialogue {
  /** What the peer was told before it said anything. */
  readonly opening: string
  /** What it was told to each thing it said, up to the last one heard. */
  readonly told: readonly string[]
  /** How it stands after that: `more`, `tls`, or the code of a refusal. */
  readonly end: string
}

/** Has the peer say one thing after the other. Texts are bytes, each from one character. */
export function talk(prelude: Prelude, ...said: readonly (string | Uint8Array)[]): Dialogue {
  const told: string[] = []
  let end = "more"
  for (const text of said) {
    if (end !== "more") break
    const step = prelude.push(typeof text === "string" ? Buffer.from(text, "latin1") : text)
    told.push(Buffer.from(step.send ?? []).toString("latin1"))
    end = step.status === "refused" ? step.code : step.status
  }
  return { opening: Buffer.from(prelude.opening ?? []).toString("latin1"), told, end }
}

/** What tests have a gateway call itself. */
export const CONTEXT = { greetingName: "gw.example", nonce: () => "nonce" } as const
