import { execFileSync } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { type AddressInfo, createServer, type Server } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createServer as createTlsServer, type TlsOptions } from "node:tls"
import { beforeAll, describe, expect, it, onTestFinished } from "vitest"
import { type Probe, runProbe } from "../../../src/proxy/health/probe.ts"

let certificate: { key: Buffer; cert: Buffer }

beforeAll(() => {
  const directory = mkdtempSync(join(tmpdir(), "tlsroute-probe-"))
  const [key, cert] = [join(directory, "key.pem"), join(directory, "cert.pem")]
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
  execFileSync("openssl", ["req", "-x509", ...curve, "-keyout", key, "-out", cert, "-subj", "/CN=a.example"], {
    stdio: "ignore",
  })
  certificate = { key: readFileSync(key), cert: readFileSync(cert) }
  rmSync(directory, { recursive: true })
})

async function probe(server: Server, extra: Partial<Probe> = {}) {
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  return runProbe({ kind: "tls", address: "127.0.0.1", port, serverName: "a.example", timeout: 2000, ...extra })
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

it("an endpoint that cannot be dialled at all is bad, and ends nothing", async () => {
  const nowhere = { kind: "tcp", address: "127.0.0.1", port: 70_000, timeout: 100 } as const
  expect(await runProbe(nowhere)).toEqual({ healthy: false, reason: "ERR_SOCKET_BAD_PORT" })
})
