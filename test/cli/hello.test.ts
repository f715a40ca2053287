import { once } from "node:events"
import { writeFile } from "node:fs/promises"
import { type AddressInfo, connect as connectTcp, createServer } from "node:net"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { connect as connectTls } from "node:tls"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { Cli, linesOf } from "./cli.ts"

let cli: Cli
let directory: string
let hello: Buffer

beforeAll(async () => {
  cli = await Cli.build()
  directory = cli.folder
  hello = await captureHello()
})

afterAll(async () => {
  await cli[Symbol.asyncDispose]()
})

/** What a real client sends first. */
async function captureHello(): Promise<Buffer> {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  const client = connectTls({
    port,
    host: "127.0.0.1",
    servername: "web.example.com",
    ALPNProtocols: ["h2", "\u001b[2J"],
  })
  client.on("error", () => {})
  const [socket] = await once(server, "connection")
  const [bytes] = await once(socket, "data")
  socket.destroy()
  server.close()
  return bytes
}

const decoded = {
  serverName: "web.example.com",
  alpnProtocols: ["h2", "\u001b[2J"],
  supportedVersions: [0x0304, 0x0303],
}

describe("tlsroute hello", () => {
  test.each([
    ["raw bytes", () => hello],
    ["hex", () => hello.toString("hex")],
    [
      "hex in columns with colons",
      () =>
        `${hello
          .toString("hex")
          .replace(/(..)/g, "$1:")
          .replace(/(.{48})/g, "$1\n")}\n`,
    ],
  ])("decodes %s from standard input and from a file", async (_what, input) => {
    const piped = await cli.run(["hello", "--json"], input())
    expect(JSON.parse(piped.stdout)).toMatchObject(decoded)
    expect(piped.code).toBe(0)
    const file = join(directory, "hello")
    await writeFile(file, input())
    expect(await cli.run(["hello", "--json", file])).toEqual(piped)
  })

  test("prints every field for a person, with what the client chose escaped", async () => {
    const { code, stdout } = await cli.run(["hello"], hello)
    expect(stdout).toMatch(/^server name +web\.example\.com$/m)
    expect(stdout).toMatch(/^ALPN protocols +h2, \\x1b\[2J$/m)
    expect(stdout).toMatch(/^supported versions +TLS 1\.3, TLS 1\.2$/m)
    expect(stdout).toMatch(/^extensions +.*server_name.*key_share/m)
    expect(stdout).toMatch(/^JA4 +t13d\d{4}h/m)
    expect(code).toBe(0)
  })

  test("decodes the next connection to a port", async () => {
    const child = cli.start(["hello", "--listen", "0", "--json"])
    const stdout = text(child.stdout)
    const said = linesOf(child.stderr)
    const port = Number(/port (\d+)$/.exec(await said())?.[1])
    const client = connectTcp(port, "127.0.0.1")
    client.on("error", () => {})
    await once(client, "connect")
    client.setNoDelay(true)
    client.write(hello.subarray(0, 7))
    client.write(hello.subarray(7))
    expect(await said()).toBe("connection from 127.0.0.1")
    expect(JSON.parse(await stdout)).toMatchObject(decoded)
    client.destroy()
  })

  test.each([
    ["bytes that are not TLS", Buffer.from("GET / HTTP/1.1\r\n\r\n"), "PLAIN_HTTP"],
    ["nothing", "", "INCOMPLETE"],
    ["half a ClientHello", () => hello.subarray(0, 40), "INCOMPLETE"],
  ])("says why %s is none, and exits with 1", async (_what, input, code) => {
    const bytes = typeof input === "function" ? input() : input
    const person = await cli.run(["hello"], bytes)
    expect(person.stderr).toMatch(new RegExp(`^not a ClientHello: .+ \\[${code}\\]\n$`))
    expect(person.code).toBe(1)
    const machine = await cli.run(["hello", "--json"], bytes)
    expect(JSON.parse(machine.stdout)).toMatchObject({ error: { code } })
    expect(machine.code).toBe(1)
  })

  test.each([
    ["a file that does not exist", ["/nowhere"], "no such file or directory"],
    ["a file and a port", ["file", "--listen", "0"], "give a file or --listen, not both"],
    ["an address that is none", ["--listen", "0", "--address", "localhost"], "Expected an IP address"],
    [
      "an address of another machine",
      ["--listen", "0", "--address", "192.0.2.1"],
      "no network interface has this address",
    ],
    ["an address without a port", ["--address", "127.0.0.1"], "--address needs --listen"],
  ])("given %s, says so in one line and exits with 2", async (_what, args, message) => {
    const { code, stderr } = await cli.run(["hello", ...args])
    expect(stderr).toMatch(/^tlsroute: [^\n]+\n$/)
    expect(stderr).toContain(message)
    expect(code).toBe(2)
  })
})
