import { once } from "node:events"
import { connect } from "node:tls"
import { afterEach, describe, expect, it } from "vitest"
import type { RefusalMode } from "../../src/proxy/policy.ts"
import { missing, run } from "../support/clients.ts"
import { startGateway } from "../support/gateway.ts"
import { gateway, listener, resources, route } from "../support/resources.ts"

const cleanups: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

async function serve(refusal?: RefusalMode): Promise<number> {
  const source = resources({
    gateways: [gateway([listener("tls", 8443)])],
    tlsRoutes: [route("down", ["down.example.com"], [{ name: "missing", port: 443 }])],
  })
  const { gateway: served, port } = await startGateway({ source, ...(refusal && { refusal }) })
  cleanups.push(() => served.close({ drainTimeout: 0 }))
  return port
}

/** What each client says of an ending: of a FIN, of a RST, of the alerts of RFC 8446 section 6.2. */
interface Wording {
  readonly fin: RegExp
  readonly reset: RegExp
  readonly unrecognizedName: RegExp
  readonly illegalParameter: RegExp
}

async function askOpenssl(port: number, servername: string): Promise<string> {
  const { code, stderr } = await run("openssl", [
    "s_client",
    "-connect",
    `127.0.0.1:${port}`,
    "-servername",
    servername,
  ])
  expect(code).toBe(1)
  return stderr
}

const OPENSSL: Wording = {
  fin: /unexpected eof while reading|errno=0/,
  reset: /errno=104|reset by peer/i,
  unrecognizedName: /unrecognized name.*SSL alert number 112/s,
  illegalParameter: /alert illegal parameter.*SSL alert number 47/s,
}

async function askNode(port: number, servername: string): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", servername })
  const [error] = await once(socket, "error")
  return `${error.code} ${error.syscall ?? ""} ${error.message}`
}

const NODE: Wording = {
  fin: /disconnected before secure TLS connection was established/,
  reset: /^ECONNRESET read /,
  unrecognizedName: /^ERR_SSL_TLSV1_UNRECOGNIZED_NAME /,
  illegalParameter: /^ERR_SSL_(SSL|TLSV1|SSL\/TLS)(V3)?_ALERT_ILLEGAL_PARAMETER /,
}

const noOpenssl = missing("openssl")

describe.each([
  ["openssl s_client", askOpenssl, OPENSSL, noOpenssl],
  ["Node.js", askNode, NODE, undefined],
] as const)("%s", (client, ask, wording, why) => {
  const skipped = why === undefined ? "" : ` (skipped: ${why})`
  const nobody = "nobody.example.com"
  const dotted = "down.example.com."

  it.skipIf(why !== undefined).each([
    ["a name that no route has", "a plain end", undefined, nobody, wording.fin],
    ["a name whose backend does not exist", "a plain end", undefined, "down.example.com", wording.fin],
    ["a name that ends in a dot", "a plain end", undefined, dotted, wording.fin],
    ["a name that no route has", "a reset", "reset", nobody, wording.reset],
    ["a name that ends in a dot", "a reset", "reset", dotted, wording.reset],
    ["a name that no route has", "the alert unrecognized_name (112)", "alert", nobody, wording.unrecognizedName],
    ["a name that ends in a dot", "the alert illegal_parameter (47)", "alert", dotted, wording.illegalParameter],
    [
      "a name with a space in it",
      "the alert illegal_parameter (47)",
      "alert",
      "down example.com",
      wording.illegalParameter,
    ],
  ] as const)(`asking for %s sees %s${skipped}`, async (_what, _end, mode, name, expected) => {
    expect(await ask(await serve(mode), name), client).toMatch(expected)
  })
})
