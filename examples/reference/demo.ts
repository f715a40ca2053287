/**
 * The TLS-passthrough guide on one machine: a local HTTPS server stands for httpbin.org, `tlsroute run` serves the two
 * manifests beside this file, and curl goes through it. Run it with `npm run demo`.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { X509Certificate } from "node:crypto"
import { once } from "node:events"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { createServer, get, type Server } from "node:https"
import { type AddressInfo, createServer as createTcpServer } from "node:net"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import { createInterface } from "node:readline"
import { text } from "node:stream/consumers"
import { connect } from "node:tls"
import { promisify, styleText } from "node:util"
import { selfSigned } from "../../test/support/certificate.ts"

const NAME = "httpbin.org"
/** The port of the guide's Gateway. */
const PORT = 8000
const manifests = join("examples", "reference")
/** The command as built for the demonstration, beside it. */
const command = join(import.meta.dirname, "cli.js")

const say = (line = "") => process.stdout.write(`${line}\n`)
const isStyled = process.stdout.isTTY && !process.env["NO_COLOR"]
const bold = (line: string) => (isStyled ? styleText("bold", line) : line)
const step = (number: number, line: string) => say(`\n${bold(`${number}. ${line}`)}`)
const indent = (lines: string) => lines.trimEnd().replace(/^/gm, "   | ")

/** What the demonstration cannot go on after, told without a stack. */
class DemoError extends Error {}

/** Answers `/headers` as httpbin.org does. */
async function startBackend(certificate: { readonly key: string; readonly cert: string }): Promise<Server> {
  const server = createServer(certificate, ({ url, headers }, response) => {
    response.statusCode = url === "/headers" ? 200 : 404
    response.setHeader("content-type", "application/json")
    response.setHeader("connection", "close")
    response.end(`${JSON.stringify({ headers }, undefined, 2)}\n`)
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return server
}

/** `tlsroute run` at work. */
interface Gateway {
  readonly child: ChildProcess
  /** Local port. */
  readonly port: number
  /** Says the next line it prints. */
  tell(): Promise<string>
}

async function isTaken(port: number): Promise<boolean> {
  const server = createTcpServer().listen(port, "127.0.0.1")
  try {
    await once(server, "listening")
    return false
  } catch {
    return true
  } finally {
    server.close()
  }
}

/** Starts the command and waits until it listens. */
async function startGateway(backendPort: number, cleanups: (() => unknown)[]): Promise<Gateway> {
  const args = ["run", manifests, "--address", "127.0.0.1", "--resolve", `${NAME}:443:127.0.0.1:${backendPort}`]
  if (await isTaken(PORT)) {
    say(`   (Something else has port ${PORT} here, so --map-port has the system choose another.)`)
    args.push("--map-port", `${PORT}:0`)
  }
  say(indent(`$ tlsroute ${args.join(" ")}`))
  const child = spawn(process.execPath, [command, ...args], { stdio: ["ignore", "pipe", "pipe"] })
  cleanups.push(() => child.kill("SIGKILL"))
  const complaints = text(child.stderr)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const tell = async (): Promise<string> => {
    const { value, done } = await lines.next()
    if (done) throw new DemoError(`The gateway ended: ${(await complaints).trim()}`)
    say(indent(value))
    return value
  }
  for (let port = 0; ; ) {
    const line = await tell()
    port = Number(/^listening on .*:(\d+) /.exec(line)?.[1] ?? port)
    if (line.startsWith("Ctrl-C")) return { child, port, tell }
  }
}

/** Asks for /headers through the gateway, trusting the backend's certificate alone. */
async function request(port: number, certificateFile: string, certificate: string): Promise<string> {
  const args = [`https://${NAME}/headers`, "--connect-to", `${NAME}:443:127.0.0.1:${port}`]
  try {
    // Whatever proxy or settings the user has must not come between.
    const own = ["--disable", "--silent", "--show-error", "--fail", "--noproxy", "*", "--max-time", "20"]
    const { stdout } = await promisify(execFile)("curl", [...own, "--cacert", certificateFile, ...args])
    say(indent(`$ curl ${args.join(" ")} --cacert backend.pem`))
    return stdout
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw new DemoError(`curl failed: ${error}`)
  }
  say(indent("curl is not installed, so Node.js asks the same"))
  const asking = get({
    host: "127.0.0.1",
    port,
    path: "/headers",
    servername: NAME,
    ca: certificate,
    headers: { host: NAME },
    agent: false,
  })
  const [response] = await once(asking, "response")
  if (response.statusCode !== 200) throw new DemoError(`the answer has status ${response.statusCode}`)
  return text(response)
}

/** SHA-256 fingerprint of the certificate that a client is shown on the gateway's port. */
async function certificateSeen(port: number, certificate: string): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port, servername: NAME, ca: certificate })
  await once(socket, "secureConnect")
  const { fingerprint256 } = socket.getPeerCertificate()
  socket.end()
  await once(socket, "close")
  return fingerprint256
}

/** Ends the gateway as Ctrl-C does. */
async function stop({ child, tell }: Gateway): Promise<void> {
  const exit = once(child, "exit")
  child.kill("SIGINT")
  // Windows has no signals: there the process is simply ended.
  if (process.platform !== "win32") while ((await tell()) !== "stopped");
  const [code] = await exit
  if (code !== 0 && process.platform !== "win32") throw new DemoError(`the gateway ended with code ${code}`)
}

async function demo(directory: string, cleanups: (() => unknown)[]): Promise<void> {
  say("TLS passthrough by Gateway API: a Gateway, a TLSRoute, and nobody in the middle.")

  const certificate = selfSigned([NAME])
  const certificateFile = join(directory, "backend.pem")
  await writeFile(certificateFile, certificate.cert)
  const backend = await startBackend(certificate)
  cleanups.push(() => backend.close())
  const { port: backendPort } = backend.address() as AddressInfo
  step(1, `An HTTPS server on 127.0.0.1:${backendPort} stands for ${NAME}, with a key that only it has.`)

  step(2, `The gateway serves ${relative(".", manifests)}/gateway.yaml and tlsroute.yaml:`)
  const gateway = await startGateway(backendPort, cleanups)
  const { port } = gateway

  step(3, `A client asks for https://${NAME}/headers, through port ${port}:`)
  const answer = await request(port, certificateFile, certificate.cert)
  say(indent(answer))
  if (JSON.parse(answer).headers?.host !== NAME) throw new DemoError("that is not the backend's answer")
  say("   and the gateway tells who it was, which route took it, and where it went:")
  await gateway.tell()

  step(4, "The certificate the client sees:")
  const own = new X509Certificate(certificate.cert).fingerprint256
  const seen = await certificateSeen(port, certificate.cert)
  say(indent(`through the gateway  ${seen.slice(0, 47)}…\nthe backend's own    ${own.slice(0, 47)}…`))
  if (seen !== own) throw new DemoError("the certificates differ: something in the middle decrypts")
  say("   The same. The gateway read the name in the ClientHello and passed every byte on, unread.")

  step(5, "Ctrl-C: the gateway lets its connections finish and stops.")
  await stop(gateway)
  say(`\n${bold("It works.")} To go on: npm run build, then npx tlsroute run ${manifests}, and edit the manifests.`)
}

const directory = await mkdtemp(join(tmpdir(), "tlsroute-demo-"))
const cleanups: (() => unknown)[] = [() => rm(directory, { recursive: true, force: true })]
try {
  await demo(directory, cleanups)
} catch (error) {
  process.exitCode = 1
  process.stderr.write(
    `\n${error instanceof DemoError ? error.message : error instanceof Error ? error.stack : error}\n`,
  )
} finally {
  for (const cleanup of cleanups.reverse()) await cleanup()
}
