import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { createServer, type TLSSocket } from "node:tls"
import { beforeAll, describe, expect, it } from "vitest"
import type { ConnectionRecord } from "../../src/proxy/connection/record.ts"
import { atEnd } from "../support/at-end.ts"
import { selfSigned } from "../support/certificate.ts"
import { freePort } from "../support/free-port.ts"
import { startGateway } from "../support/gateway.ts"
import { gateway, listener, resources, route, service } from "../support/resources.ts"
import { folder, listening, missing, run, start, titled, writeCertificate } from "./programs.ts"

const reason = missing("socat", "ncat", "mosquitto", "mosquitto_pub", "openssl")

/** A route without hostnames serves clients without a name. */
const nameless = (port: number) =>
  resources(
    { gateways: [gateway([listener("tls", 8443)])] },
    {
      ...service("app", [port]),
      tlsRoutes: [
        {
          ...route("app", [], [{ name: "app", port: 443 }]),
          apiVersion: "gateway.networking.k8s.io/v1alpha2" as const,
        },
      ],
    },
  )

describe.skipIf(reason !== undefined)(titled("a client that sends an IP address for a name", reason), () => {
  const dir = folder()
  const asked: (string | false | null)[] = []
  const records: ConnectionRecord[] = []
  let port: number
  let mqtt: number
  let named: number

  async function serve(source: Parameters<typeof startGateway>[0]["source"]) {
    const { gateway: served, port: bound } = await startGateway({ source, address: undefined })
    served.on("close", (record) => records.push(record))
    atEnd(() => served.close({ drainTimeout: 0 }))
    return bound
  }

  beforeAll(async () => {
    const pair = selfSigned(["localhost", "127.0.0.1", "::1"])
    writeFileSync(join(dir, "ca.pem"), pair.cert)
    const backend = createServer(pair, (socket: TLSSocket) => {
      asked.push(socket.servername ?? null)
      socket.on("error", () => {})
      socket.end("served\n")
    })
    await new Promise<void>((resolve) => backend.listen(0, "127.0.0.1", resolve))
    atEnd(() => void backend.close())
    const address = backend.address()
    if (address === null || typeof address === "string") throw new Error("no port")
    port = await serve(nameless(address.port))
    named = await serve(
      resources(
        { gateways: [gateway([listener("tls", 8443)])] },
        {
          ...service("app", [address.port]),
          tlsRoutes: [route("app", ["*.example.com"], [{ name: "app", port: 443 }])],
        },
      ),
    )

    writeCertificate(join(dir, "broker"), ["127.0.0.1"])
    const brokerPort = await freePort()
    writeFileSync(
      join(dir, "mosquitto.conf"),
      [
        `listener ${brokerPort} 127.0.0.1`,
        "allow_anonymous true",
        `certfile ${dir}/broker/cert.pem`,
        `keyfile ${dir}/broker/key.pem`,
        "user root",
      ].join("\n"),
    )
    await listening(brokerPort, start("mosquitto", ["-c", join(dir, "mosquitto.conf")]))
    mqtt = await serve(nameless(brokerPort))
  })

  it.each([
    ["socat", "127.0.0.1", (to: number) => ["-u", `OPENSSL:127.0.0.1:${to},cafile=${dir}/ca.pem`, "-"]],
    ["socat", "[::1]", (to: number) => ["-u", `OPENSSL:[::1]:${to},cafile=${dir}/ca.pem,verify=0`, "-"]],
    ["ncat", "127.0.0.1", (to: number) => ["--ssl", "--recv-only", "127.0.0.1", String(to)]],
    ["ncat", "::1", (to: number) => ["--ssl", "--recv-only", "::1", String(to)]],
  ] as const)("is served by a route for clients without one: %s to %s", async (program, _, args) => {
    const before = records.length
    const { output } = await run(program, args(port))
    expect(output).toContain("served")
    await expect.poll(() => records.length).toBe(before + 1)
    expect(records.at(-1)).toMatchObject({ outcome: "completed", serverName: undefined })
  })

  it("is served by a route for clients without one: mosquitto_pub", async () => {
    const to = ["-h", "127.0.0.1", "-p", String(mqtt), "--cafile", join(dir, "broker", "cert.pem")]
    const before = records.length
    const { code, output } = await run("mosquitto_pub", [...to, "-t", "a", "-m", "b", "-q", "1"])
    expect(output).toBe("")
    expect(code).toBe(0)
    await expect.poll(() => records.length).toBe(before + 1)
    expect(records.at(-1)).toMatchObject({ outcome: "completed" })
  })

  it("is told in the record: at least one of them has sent what the record shows", () => {
    const names = records.map(({ offeredName }) => offeredName).filter((name) => name !== undefined)
    expect(names.length).toBeGreaterThan(0)
    for (const name of names) expect(["127.0.0.1", "::1", "[::1]"]).toContain(name)
  })

  it.each([
    ["socat", (to: number) => ["-u", `OPENSSL:127.0.0.1:${to},cafile=${dir}/ca.pem`, "-"]],
    ["ncat", (to: number) => ["--ssl", "--recv-only", "127.0.0.1", String(to)]],
  ] as const)("gets no route that has names: %s", async (program, args) => {
    const refused = () => records.filter(({ outcome }) => outcome === "refused")
    const before = refused().length
    const { output } = await run(program, args(named))
    expect(output).not.toContain("served")
    await expect.poll(() => refused().length).toBe(before + 1)
    expect(refused().at(-1)).toMatchObject({ detail: "NoServerName", offeredName: "127.0.0.1" })
  })
})
