import { once } from "node:events"
import { createReadStream } from "node:fs"
import { createServer, type Socket } from "node:net"
import type { ClientHello } from "../../client-hello/hello.ts"
import { ClientHelloParser, type ClientHelloResult, parseClientHello } from "../../client-hello/parser.ts"
import { plainAddress } from "../../proxy/connection/route-request.ts"
import { ListenError } from "../../proxy/errors.ts"
import { readFailure } from "../../sources/scan.ts"
import { parseAddress, parseLocalPort } from "../shared/arguments.ts"
import { Command } from "../shared/commander.ts"
import { printable, printJson, terminal } from "../shared/terminal.ts"
import { isErrno, UsageError } from "../shared/usage-error.ts"
import { describeHello, printHello } from "./hello-format.ts"

interface HelloFlags {
  readonly listen?: number
  readonly address?: string
  readonly json?: true
}

/** Hex takes three characters a byte with separators; beyond what any hello needs, reading more is no use. */
const MAX_INPUT_BYTES = 1024 * 1024

/** Longest wait for a client that connected, as the proxy waits by default. */
const HELLO_TIMEOUT_MS = 10_000

/** `tlsroute hello`: decodes a ClientHello. Exit code 1 when the bytes are none. */
export function helloCommand(): Command {
  return new Command("hello")
    .description("decode a TLS ClientHello")
    .argument("[file]", "file with the bytes, raw or in hex; - or nothing for standard input")
    .option(
      "--listen <port>",
      "decode the next connection to this port instead; 0 lets the system choose",
      parseLocalPort,
    )
    .option("--address <address>", "IP address to listen on (default: every address)", parseAddress)
    .option("--json", "print one JSON object")
    .action(hello)
}

async function hello(file: string | undefined, flags: HelloFlags): Promise<void> {
  if (flags.listen !== undefined && file !== undefined) throw new UsageError("give a file or --listen, not both")
  if (flags.listen === undefined && flags.address !== undefined) throw new UsageError("--address needs --listen")
  const bytes =
    flags.listen === undefined ? await readInput(file ?? "-") : await receiveHello(flags.listen, flags.address)
  const result = parseClientHello(bytes)
  if (result.status === "complete") return report(result.hello, flags)
  process.exitCode = 1
  const { code, message } = faultOf(result, bytes.length)
  if (flags.json) return printJson({ error: { code, message } })
  const log = terminal(process.stderr)
  log.line(`${log.style("red", "not a ClientHello")}: ${printable(message)} [${code}]`)
}

function report(clientHello: ClientHello, { json }: HelloFlags): void {
  if (json) printJson(describeHello(clientHello))
  else printHello(clientHello, terminal(process.stdout))
}

function faultOf(result: Exclude<ClientHelloResult, { status: "complete" }>, length: number) {
  if (result.status === "invalid") return { code: result.error.code, message: result.error.message }
  return { code: "INCOMPLETE", message: `the input ends after ${length} bytes, before the ClientHello does` }
}

async function readInput(file: string): Promise<Buffer> {
  if (file === "-" && process.stdin.isTTY)
    terminal(process.stderr).line("paste the hex, then end the input with Ctrl-D")
  const stream = file === "-" ? process.stdin : createReadStream(file)
  const chunks: Buffer[] = []
  let total = 0
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      total += chunk.length
      if (total > MAX_INPUT_BYTES) throw new UsageError(`${file}: larger than any ClientHello`)
    }
  } catch (error) {
    if (isErrno(error)) throw new UsageError(`${file}: ${readFailure(error)}`)
    throw error
  }
  const bytes = Buffer.concat(chunks)
  return decodeHex(bytes) ?? bytes
}

/** Hex with any spaces, colons and line ends, or `undefined`: the first byte of TLS, 0x16, is no hex digit. */
function decodeHex(bytes: Buffer): Buffer | undefined {
  const text = bytes.toString("latin1").replace(/0x|[\s:,]/gi, "")
  return text.length % 2 === 0 && /^[0-9a-f]+$/i.test(text) ? Buffer.from(text, "hex") : undefined
}

/** Takes one connection and reads until its ClientHello is whole, invalid, or late. */
async function receiveHello(port: number, host: string | undefined): Promise<Uint8Array> {
  const server = createServer()
  server.listen({ port, host })
  try {
    await once(server, "listening")
  } catch (error) {
    if (!isErrno(error)) throw error
    throw new UsageError(new ListenError("hello", host, port, error.code ?? error.message).message)
  }
  const bound = server.address()
  const log = terminal(process.stderr)
  if (typeof bound === "object") log.line(`waiting for a connection to port ${bound?.port}`)
  const [socket] = (await once(server, "connection")) as [Socket]
  server.close()
  log.line(`connection from ${plainAddress(socket.remoteAddress ?? "")}`)
  socket.setTimeout(HELLO_TIMEOUT_MS, () => socket.destroy())
  const parser = new ClientHelloParser()
  try {
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      if (parser.push(chunk).status !== "incomplete") break
    }
  } catch {
    // Reset by the client: what it sent before is all there is.
  } finally {
    socket.destroy()
  }
  return parser.bytes
}
