import { getCiphers } from "node:tls"
import { describe, expect, it } from "vitest"
import type { ClientHello } from "../../src/client-hello/hello.ts"
import { parseClientHello } from "../../src/client-hello/parser.ts"
import { type Client, missing } from "../support/clients.ts"
import { fromClient, fromNode } from "./capture.ts"
import { answer, reference } from "./reference.ts"

const TLS_1_2 = 0x0303
const TLS_1_3 = 0x0304
const X25519 = 0x001d
const P_256 = 0x0017
const X25519_MLKEM768 = 0x11ec

/** Checks every field against the reference, then hands over the hello for what this client should have said. */
function decode(bytes: Uint8Array): ClientHello {
  const result = parseClientHello(bytes)
  expect(answer(result)).toEqual(reference(bytes))
  if (result.status !== "complete") throw new Error(`the hello is ${result.status}`)
  expect(result.hello.random).toHaveLength(32)
  return result.hello
}

const [major = 0, minor = 0] = process.versions.openssl.split(".").map(Number)
const offersPostQuantum = major > 3 || (major === 3 && minor >= 5)
const noPostQuantum = offersPostQuantum ? "" : ` (skipped: OpenSSL ${process.versions.openssl} offers no ML-KEM)`

describe("Node.js", () => {
  it("asks for a name and protocols, offering TLS 1.3 and 1.2", async () => {
    const hello = decode(await fromNode({ servername: "www.Node.example", ALPNProtocols: ["h2", "http/1.1"] }))
    expect(hello.serverName).toBe("www.node.example")
    expect(hello.alpnProtocols).toEqual(["h2", "http/1.1"])
    expect(hello.supportedVersions).toEqual([TLS_1_3, TLS_1_2])
    expect(hello.highestVersion).toBe(TLS_1_3)
    expect(hello.legacyVersion).toBe(TLS_1_2)
    expect(hello.sessionId).toHaveLength(32)
    expect([...hello.compressionMethods]).toEqual([0])
    expect(hello.cipherSuites).toEqual(expect.arrayContaining([0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f]))
    expect(hello.supportedGroups).toEqual(expect.arrayContaining([X25519, P_256]))
    expect(hello.keyShareGroups).toContain(X25519)
    expect(hello.hasGrease).toBe(false)
    expect(hello.echOffered).toBe(false)
    expect(hello.ja4).toMatch(/^t13d\d{4}h2_[0-9a-f]{12}_[0-9a-f]{12}$/)
  })

  it.runIf(offersPostQuantum)(`sends a post-quantum key share${noPostQuantum}`, async () => {
    const hello = decode(await fromNode({ servername: "pq.example" }))
    expect(hello.supportedGroups).toContain(X25519_MLKEM768)
    expect(hello.keyShareGroups).toContain(X25519_MLKEM768)
    expect(hello.extension(51)?.length).toBeGreaterThan(1184)
  })

  it("sends TLS 1.2 alone without supported_versions", async () => {
    const ciphers = "ECDHE-RSA-AES128-GCM-SHA256"
    expect(getCiphers()).toContain(ciphers.toLowerCase())
    const hello = decode(await fromNode({ servername: "old.example", maxVersion: "TLSv1.2", ciphers }))
    expect(hello.supportedVersions).toEqual([])
    expect(hello.highestVersion).toBe(TLS_1_2)
    // The second is TLS_EMPTY_RENEGOTIATION_INFO_SCSV, unless the extension stands for it.
    expect(hello.cipherSuites.filter((suite) => suite !== 0x00ff)).toEqual([0xc02f])
    expect(hello.keyShareGroups).toEqual([])
    expect(hello.ja4).toMatch(/^t12d/)
  })

  it("sends TLS 1.3 alone", async () => {
    const hello = decode(await fromNode({ servername: "new.example", minVersion: "TLSv1.3" }))
    expect(hello.supportedVersions).toEqual([TLS_1_3])
    expect(hello.ja4).toMatch(/^t13d/)
  })

  it("sends no name to an IP address", async () => {
    const hello = decode(await fromNode({}))
    expect(hello.serverName).toBeUndefined()
    expect(hello.alpnProtocols).toEqual([])
    expect(hello.ja4).toMatch(/^t13i\d{4}00_/)
  })

  it("sends the groups and signature algorithms that it is told", async () => {
    const hello = decode(
      await fromNode({
        servername: "groups.example",
        ecdhCurve: "P-256:X25519",
        sigalgs: "ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256",
      }),
    )
    expect(hello.supportedGroups).toEqual([P_256, X25519])
    expect(hello.keyShareGroups).toEqual([P_256])
    expect(hello.signatureAlgorithms).toEqual([0x0403, 0x0804])
  })
})

const why = (client: Client) => missing(client) !== undefined
const skipped = (client: Client) => (why(client) ? ` (skipped: ${missing(client)})` : "")

describe.skipIf(why("openssl"))(`openssl s_client${skipped("openssl")}`, () => {
  const hello = async (...args: readonly string[]) =>
    decode(await fromClient("openssl", (port) => ["s_client", "-connect", `127.0.0.1:${port}`, ...args]))

  it("asks for a name and protocols", async () => {
    const { serverName, alpnProtocols, supportedVersions } = await hello(
      "-servername",
      "openssl.example",
      "-alpn",
      "h2,acme-tls/1",
    )
    expect(serverName).toBe("openssl.example")
    expect(alpnProtocols).toEqual(["h2", "acme-tls/1"])
    expect(supportedVersions).toContain(TLS_1_3)
  })

  it("sends the lists that it is told", async () => {
    const told = await hello(
      ..."-servername lists.example -groups X25519:P-256 -sigalgs rsa_pss_rsae_sha256".split(" "),
      ..."-ciphersuites TLS_AES_128_GCM_SHA256 -cipher ECDHE-RSA-AES128-GCM-SHA256".split(" "),
    )
    expect(told.supportedGroups).toEqual([X25519, P_256])
    expect(told.keyShareGroups).toEqual([X25519])
    expect(told.signatureAlgorithms).toEqual([0x0804])
    expect(told.cipherSuites.filter((suite) => suite !== 0x00ff)).toEqual([0x1301, 0xc02f])
    expect(told.ecPointFormats).toContain(0)
  })

  it("sends no name when told so", async () => {
    expect((await hello("-noservername")).serverName).toBeUndefined()
  })
})

describe.skipIf(why("curl"))(`curl${skipped("curl")}`, () => {
  const hello = async (name: string, ...args: readonly string[]) =>
    decode(
      await fromClient("curl", (port) => [
        ...["--silent", "--insecure", "--noproxy", "*", "--resolve", `${name}:${port}:127.0.0.1`],
        ...args,
        `https://${name}:${port}/`,
      ]),
    )

  it("asks for the URL's name, in lower case, and HTTP", async () => {
    const { serverName, alpnProtocols } = await hello("Curl.Example")
    expect(serverName).toBe("curl.example")
    expect(alpnProtocols).toContain("http/1.1")
  })

  it("asks for HTTP/1.1 alone, or for no protocol", async () => {
    expect((await hello("curl.example", "--http1.1")).alpnProtocols).toEqual(["http/1.1"])
    expect((await hello("curl.example", "--no-alpn")).alpnProtocols).toEqual([])
  })

  it("offers TLS 1.2 at most when told so", async () => {
    expect((await hello("curl.example", "--tls-max", "1.2")).highestVersion).toBe(TLS_1_2)
  })
})

describe.skipIf(why("gnutls-cli"))(`gnutls-cli${skipped("gnutls-cli")}`, () => {
  const hello = async (...args: readonly string[]) =>
    decode(
      await fromClient("gnutls-cli", (port) => [
        ...["--insecure", "--sni-hostname", "gnutls.example", "--port", String(port)],
        ...args,
        "127.0.0.1",
      ]),
    )

  it("asks for a name and protocols", async () => {
    const { serverName, alpnProtocols, supportedVersions } = await hello("--alpn", "h2", "--alpn", "http/1.1")
    expect(serverName).toBe("gnutls.example")
    expect(alpnProtocols).toEqual(["h2", "http/1.1"])
    expect(supportedVersions).toContain(TLS_1_3)
  })

  it("offers TLS 1.2 at most when told so", async () => {
    const { highestVersion, keyShareGroups } = await hello("--priority", "NORMAL:-VERS-TLS1.3")
    expect(highestVersion).toBe(TLS_1_2)
    expect(keyShareGroups).toEqual([])
  })
})
