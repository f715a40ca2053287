// Measures one parser of ClientHellos: `node bench/micro/client-hello.mjs tlsroute|sni|read-tls-client-hello`.
// Prints one JSON object, in nanoseconds. Run `npm run build` first.
import { PassThrough } from "node:stream"
import { calculateJa3, calculateJa4, readTlsClientHello } from "read-tls-client-hello"
import sni from "sni"
import { ClientHelloParser, parseClientHello } from "../../dist/client-hello.js"
import { buildClientHello } from "../hello.mjs"
import { perCall } from "./timing.mjs"

// Several, and each with its extensions in another order: one alone would teach the processor its branches by heart.
const hellos = Array.from({ length: 16 }, (_, i) =>
  buildClientHello(`shop-${10 + i}.eu-central-1.customers.example.com`, "classic"),
)
const [hello] = hellos
if (hello.length !== 400) throw new Error(`the hello has ${hello.length} bytes, not 400`)

const measured = {
  tlsroute: async () => ({
    "hello-name": await each((bytes) => parsed(bytes).serverName.length),
    "hello-strict": await each((bytes) => {
      const { serverName, alpnProtocols, supportedVersions } = parsed(bytes)
      return serverName.length + alpnProtocols.length + supportedVersions.length
    }),
    "hello-full": await each((bytes) => allFields(parsed(bytes))),
    "hello-fingerprints": await each((bytes) => {
      const { ja3, ja4 } = parsed(bytes)
      return ja3.length + ja4.length
    }),
    ...(await trickle()),
  }),
  sni: async () => ({ "hello-name": await each((bytes) => sni(bytes).length) }),
  "read-tls-client-hello": async () => ({
    "hello-full": await eachAwaited(async (bytes) => (await readTlsClientHello(streamOf(bytes))).extensions.length),
    "hello-fingerprints": await eachAwaited(async (bytes) => {
      const fields = await readTlsClientHello(streamOf(bytes))
      return calculateJa3(fields).length + calculateJa4(fields).length
    }),
  }),
}

const contender = process.argv[2] ?? "tlsroute"
if (!(contender in measured)) throw new Error(`${contender}: there are ${Object.keys(measured).join(", ")}`)
console.log(JSON.stringify(await measured[contender]()))

function parsed(bytes) {
  const result = parseClientHello(bytes)
  if (result.status !== "complete") throw new Error(`the hello is ${result.status}`)
  return result.hello
}

/** Every field that read-tls-client-hello decodes too. */
function allFields(hello) {
  return (
    hello.serverName.length +
    hello.legacyVersion +
    hello.random.length +
    hello.sessionId.length +
    hello.cipherSuites.length +
    hello.compressionMethods.length +
    hello.extensionTypes.length +
    hello.alpnProtocols.length +
    hello.supportedVersions.length +
    hello.supportedGroups.length +
    hello.signatureAlgorithms.length +
    hello.ecPointFormats.length +
    hello.keyShareGroups.length
  )
}

/** Nanoseconds per byte of a hello of 64 KiB that comes a byte at a time, and how that compares to one of 8 KiB. */
async function trickle() {
  const perByte = async (size) => {
    const bytes = largeHello(size)
    const nanoseconds = await each(() => {
      const parser = new ClientHelloParser()
      let result
      for (let at = 0; at < bytes.length; at++) result = parser.push(bytes.subarray(at, at + 1))
      if (result.status !== "complete") throw new Error(`the large hello is ${result.status}`)
      return bytes.length
    })
    return nanoseconds / bytes.length
  }
  const [small, large] = [await perByte(8192), await perByte(65_536)]
  return { "hello-trickle": large, "hello-trickle-growth": large / small }
}

/** The hello with a padding extension (RFC 7685) that fills it up to a size, in records of the most that they may hold. */
function largeHello(size) {
  const records = Math.ceil(size / 16_389)
  const message = hello.subarray(5)
  const extensions = message.length - extensionBytes(message)
  const padding = Buffer.alloc(size - 5 * records - message.length)
  padding.writeUInt16BE(21, 0)
  padding.writeUInt16BE(padding.length - 4, 2)
  const whole = Buffer.concat([message, padding])
  whole.writeUIntBE(whole.length - 4, 1, 3)
  whole.writeUInt16BE(whole.length - extensions, extensions - 2)
  const parts = []
  for (let at = 0; at < whole.length; at += 16_384) {
    const fragment = whole.subarray(at, at + 16_384)
    parts.push(Buffer.from([22, 3, 1, fragment.length >> 8, fragment.length & 0xff]), fragment)
  }
  return Buffer.concat(parts)
}

function extensionBytes(message) {
  let at = 38 // handshake header, version, random
  at += 1 + message[at]
  at += 2 + message.readUInt16BE(at)
  at += 1 + message[at]
  return message.readUInt16BE(at)
}

function streamOf(bytes) {
  const stream = new PassThrough()
  stream.write(bytes)
  return stream
}

function each(run) {
  let sum = 0
  return perCall((calls) => {
    for (let call = 0; call < calls; call++) sum += run(hellos[call % hellos.length])
    if (!(sum > 0)) throw new Error("nothing was decoded")
  })
}

function eachAwaited(run) {
  let sum = 0
  return perCall(async (calls) => {
    for (let call = 0; call < calls; call++) sum += await run(hellos[call % hellos.length])
    if (!(sum > 0)) throw new Error("nothing was decoded")
  })
}
