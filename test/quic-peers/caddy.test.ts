import { describe, expect, it } from "vitest"
import { caddy } from "./support/caddy.ts"
import { quicGateway } from "./support/gateway.ts"
import { client } from "./support/peer.ts"
import { titled, WITHOUT_GO } from "./support/programs.ts"

describe.skipIf(WITHOUT_GO !== undefined)(titled("Caddy", WITHOUT_GO), () => {
  it("serves every byte of a file over HTTP/3, and over HTTP/2 beside it", async () => {
    const { port, records } = await quicGateway([await caddy("a.example", 5_000_000)])
    await client(port, "-bytes", "5000000", "-download")
    await client(port, "-bytes", "5000000", "-download", "-tcp")
    expect((await records()).map(({ transport }) => transport).sort()).toEqual(["quic", "tcp"])
  })
})
