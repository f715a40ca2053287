import fc from "fast-check"
import { describe, expect, test } from "vitest"
import type { Prelude } from "../../../src/proxy/starttls/prelude.ts"
import { STARTTLS_PROTOCOLS } from "../../../src/proxy/starttls/protocols.ts"
import { CONTEXT, drive } from "./drive.ts"
import { EXCHANGES, ROLES, type Role } from "./exchanges.ts"

const roles = fc.constantFrom(...ROLES)
const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 })

function prelude({ protocol, side }: Role): Prelude {
  const { toClient, toBackend } = STARTTLS_PROTOCOLS[protocol]
  return side === "client" ? toClient(CONTEXT) : toBackend({ ...CONTEXT, serverName: "a.example" })
}

/** What a peer may say: pieces of real exchanges, of any role, whole, cut or changed, in any order. */
const said = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(...EXCHANGES) },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)) },
      {
        weight: 1,
        arbitrary: fc
          .tuple(fc.constantFrom(...EXCHANGES), fc.nat(), fc.integer({ min: 0, max: 255 }))
          .map(([bytes, at, byte]) => {
            const changed = Buffer.from(bytes)
            changed[at % changed.length] = byte
            return changed
          }),
      },
    ),
    { minLength: 1, maxLength: 30 },
  )
  .map((pieces) => Buffer.concat(pieces))
  .filter(({ length }) => length > 0)

function sizes(list: readonly number[]): () => number {
  let at = 0
  return () => list[at++ % list.length] ?? 1
}

describe("whatever a peer sends, in either role of any protocol", () => {
  test("the answer is the same in any TCP segments, but for what comes behind the last plain byte", () => {
    fc.assert(
      fc.property(roles, said, cuts, (role, bytes, list) => {
        const single = drive(prelude(role), bytes, () => 1)
        const cut = drive(prelude(role), bytes, sizes(list))
        if (single.status === "tls" && single.consumed > 0 && cut.pushed > single.consumed) {
          expect(cut.code).toBe("STARTTLS_INJECTION")
          return
        }
        expect([cut.status, cut.code, cut.sent.toString("latin1")]).toEqual([
          single.status,
          single.code,
          single.sent.toString("latin1"),
        ])
        if (single.status === "tls") expect(cut.consumed).toBe(single.consumed)
      }),
      { numRuns: 3000 },
    )
  })

  test("an answer comes within 32 KiB, and what is sent is bounded", () => {
    fc.assert(
      fc.property(roles, said, cuts, (role, bytes, list) => {
        const flood = Buffer.concat(Array.from({ length: Math.ceil(40_000 / bytes.length) }, () => bytes))
        const { status, sent, pushed } = drive(prelude(role), flood, sizes(list))
        // A backend may talk for 128 lines of 2 KiB.
        if (role.side === "client") {
          expect(status).not.toBe("more")
          expect(pushed).toBeLessThanOrEqual(33_000)
        }
        expect(sent.length).toBeLessThan(8192)
      }),
      { numRuns: 300 },
    )
  })

  test("no plain byte becomes part of the ClientHello", () => {
    fc.assert(
      fc.property(roles, said, cuts, (role, bytes, list) => {
        const result = drive(prelude(role), bytes, sizes(list))
        // TLS begins at the first byte that the client sent, or behind the last one that the prelude has read.
        if (result.status === "tls") expect([0, result.pushed]).toContain(result.consumed)
      }),
      { numRuns: 1000 },
    )
  })
})
