import { deepStrictEqual, ok } from "node:assert/strict"
import type { Prelude } from "../../src/proxy/starttls/prelude.ts"
import { STARTTLS_PROTOCOLS } from "../../src/proxy/starttls/protocols.ts"
import { CONTEXT, drive } from "../proxy/starttls/drive.ts"
import { EXCHANGES, ROLES, type Role } from "../proxy/starttls/exchanges.ts"
import { sizes } from "./sizes.ts"

/** Most bytes that a gateway says to a client or backend before TLS. */
const MOST_SENT = 8192

/**
 * Takes the first byte as the choice of a part, the second as how to take the rest: as what the peer sends, or as a
 * recipe of things that peers really say. In any TCP segments the part gives the same answers, except that bytes behind
 * the last plain one are refused where they can be seen; TLS begins at the first byte or behind the last plain one.
 */
export function fuzz(data: Buffer): void {
  const role = ROLES[(data[0] ?? 0) % ROLES.length]
  if (role === undefined) return
  const bytes = ((data[1] ?? 0) & 1) === 0 ? data.subarray(2) : recipe(data.subarray(2))
  const single = drive(prelude(role), bytes, () => 1)
  ok(single.sent.length <= MOST_SENT, `${single.sent.length} bytes sent`)
  for (const size of [() => bytes.length, sizes(data, 1)]) {
    const cut = drive(prelude(role), bytes, size)
    if (single.status === "tls" && single.consumed > 0 && cut.pushed > single.consumed) {
      deepStrictEqual(cut.code, "STARTTLS_INJECTION")
      continue
    }
    deepStrictEqual([cut.status, cut.code], [single.status, single.code])
    deepStrictEqual(cut.sent, single.sent)
    if (single.status === "tls") deepStrictEqual(cut.consumed, single.consumed)
  }
}

function prelude({ protocol, side }: Role): Prelude {
  const { toClient, toBackend } = STARTTLS_PROTOCOLS[protocol]
  return side === "client" ? toClient(CONTEXT) : toBackend({ ...CONTEXT, serverName: "a.example" })
}

/** Things that peers say, each whole, cut short, or with a byte changed, as the data tell. */
function recipe(data: Buffer): Buffer {
  const pieces: Buffer[] = []
  // What is made of a few bytes is not to take the time of many.
  for (let at = 0, left = 256 + 4 * data.length; at < data.length && left > 0; left -= pieces.at(-1)?.length ?? 0) {
    const piece = EXCHANGES[(data[at++] ?? 0) % EXCHANGES.length] ?? Buffer.alloc(0)
    const change = data[at++] ?? 0
    if (change < 192) {
      pieces.push(piece)
      continue
    }
    const place = (data[at++] ?? 0) % piece.length
    const changed = Buffer.from(change < 224 ? piece.subarray(0, place) : piece)
    if (change >= 224) changed[place] = data[at++] ?? 0
    pieces.push(changed)
  }
  return Buffer.concat(pieces)
}
