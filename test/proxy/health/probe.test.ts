import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { type AddressInfo, createServer, type Server } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createServer as createTlsServer, type TlsOptions } from "node:tls"
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest"
import { type Probe, runProbe } from "../../../src/proxy/health/probe.ts"
import type { ProxyHeader } from "../../../src/proxy/proxy-protocol/header.ts"
import { parseProxyHeader } from "../../../src/proxy/proxy-protocol/parser.ts"
import { freePort } from "../../support/free-port.ts"

const directory = mkdtempSync(join(tmpdir(), "tlsroute-probe-"))
const files = { key: join(directory, "key.pem"), cert: join(directory, "cert.pem") }
let certificate: { key: Buffer; cert: Buffer }

beforeAll(() => {
  const { key, cert } = files
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
  execFileSync("openssl", ["req", "-x509", ...curve, "-keyout", key, "-out", cert, "-subj", "/CN=a.example"], {
    stdio: "ignore",
  })
  certificate = { key: readFileSync(key), cert: readFileSync(cert) }
})
afterAll(() => rmSync(directory, { recursive: true }))

async function probe(server: Server, extra: Partial<Probe> = {}) {
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  return runProbe({ kind: "tls", address: "127.0.0.1", port, serverName: "a.example", timeout: 20_000, ...extra })
}

/** OpenSSL's server, which says why it refuses. */
async function opensslServer(args: readonly string[]) {
  const port = await freePort()
  const child = spawn("openssl", [
    "s_server",
    "-accept",
    `127.0.0.1:${port}`,
    "-cert",
    files.cert,
    "-key",
    files.key,
    ...args,
  ])
  onTestFinished(() => void child.kill("SIGKILL"))
  let output = ""
  child.stderr.on("data", (text) => (output += text))
  child.stdout.on("data", (text) => (output += text))
  await expect.poll(() => output).toContain("ACCEPT")
  return { port, stdout: () => output }
}

function tlsServer(options: TlsOptions = {}): Server {
  return createTlsServer({ ...certificate, ...options }).on("tlsClientError", () => {})
}

describe("a TLS probe", () => {
  it("is good when the handshake ends, whoever signed the certificate, and sends the name", async () => {
    let asked: string | undefined
    const server = tlsServer({
      SNICallback: (name, done) => {
        asked = name
        done(null)
      },
    })
    expect(await probe(server)).toEqual({ healthy: true })
    expect(asked).toBe("a.example")
  })

  it("is good when the server wants to see a client certificate", async () => {
    const server = tlsServer({ requestCert: true, rejectUnauthorized: true })
    expect(await probe(server)).toEqual({ healthy: true })
  })

  it.each([
    ["TLSv1.2", true],
    ["TLSv1.2", false],
    ["TLSv1.3", true],
  ] as const)(
    "is good when the server wants to see a client certificate in %s",
    async (version, rejectUnauthorized) => {
      const server = tlsServer({ requestCert: true, rejectUnauthorized, minVersion: version, maxVersion: version })
      expect(await probe(server)).toEqual({ healthy: true })
    },
  )

  it("is good when the server objects to the client with an alert once it has spoken (RFC 5246 section 7.4.6)", async () => {
    const { stdout, port } = await opensslServer(["-tls1_2", "-Verify", "1"])
    const result = await runProbe({ kind: "tls", address: "127.0.0.1", port, serverName: "a.example", timeout: 20_000 })
    expect(result).toEqual({ healthy: true })
    await expect.poll(stdout).toMatch(/peer did not return a certificate/)
  })

  it("is bad when the server has no cipher in common, which is an alert before it has spoken", async () => {
    const server = tlsServer({ maxVersion: "TLSv1.2", ciphers: "ECDHE-RSA-AES128-SHA" })
    expect(await probe(server)).toMatchObject({ healthy: false, reason: expect.stringContaining("ALERT") })
  })

  it("is bad when the server does not know the name", async () => {
    const server = tlsServer({ SNICallback: (_, done) => done(new Error("unknown")) })
    expect(await probe(server)).toMatchObject({ healthy: false, reason: expect.any(String) })
  })

  it("is bad when the server accepts and says nothing", async () => {
    const server = createServer((socket) => socket.on("error", () => {}))
    expect(await probe(server, { timeout: 50 })).toEqual({ healthy: false, reason: "timeout" })
  })

  it("is bad when what answers speaks no TLS, where a TCP probe is good", async () => {
    const plain = () => createServer((socket) => socket.on("error", () => {}).end("SSH-2.0-x\r\n"))
    expect(await probe(plain())).toMatchObject({ healthy: false })
    expect(await probe(plain(), { kind: "tcp" })).toEqual({ healthy: true })
  })
})

describe("a probe of an endpoint that waits for a PROXY protocol header", () => {
  /** Takes one, and serves TLS behind it. */
  function behindHeader(headers: ProxyHeader[]): Server {
    const tls = tlsServer()
    return createServer((socket) => {
      socket.on("error", () => {})
      socket.once("data", (bytes) => {
        const result = parseProxyHeader(bytes)
        if (result.status !== "complete") {
          socket.resetAndDestroy()
          return
        }
        headers.push(result.header)
        socket.pause()
        socket.unshift(result.rest)
        tls.emit("connection", socket)
      })
    })
  }

  it.each([
    ["LOCAL in version 2", 2, { version: 2, command: "local", addresses: undefined, tlvs: [] }],
    ["UNKNOWN in version 1", 1, { version: 1, command: "proxy", addresses: undefined }],
  ] as const)("begins with %s", async (_, proxyHeader, expected) => {
    const headers: ProxyHeader[] = []
    expect(await probe(behindHeader(headers), { proxyHeader })).toEqual({ healthy: true })
    expect(await probe(behindHeader(headers), { proxyHeader, kind: "tcp" })).toEqual({ healthy: true })
    await expect.poll(() => headers).toMatchObject([expected, expected])
  })

  it("fails without one", async () => {
    expect(await probe(behindHeader([]))).toMatchObject({ healthy: false })
  })
})

it("an endpoint that cannot be dialled at all is bad, and ends nothing", async () => {
  const nowhere = { kind: "tcp", address: "127.0.0.1", port: 70_000, timeout: 100 } as const
  expect(await runProbe(nowhere)).toEqual({ healthy: false, reason: "ERR_SOCKET_BAD_PORT" })
})
