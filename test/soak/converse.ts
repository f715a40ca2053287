import type { Socket } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import type { Exchange, Flow } from "./exchange.ts"

/** What one side has to do its part. */
export interface Side {
  readonly name: "client" | "backend"
  /** Where its stream goes in and out: the socket itself, or TLS over it. */
  readonly stream: Socket
  /** The TCP socket. */
  readonly socket: Socket
  readonly exchange: Exchange
}

/** Sends its stream, checks the other's, ends in its turn, and resets where its plan says so. Resolves when the socket is closed. */
export async function converse(side: Side, rest: Buffer = Buffer.alloc(0)): Promise<void> {
  const { name, stream, socket, exchange } = side
  const { plan, up, down } = exchange
  const [outgoing, incoming] = name === "client" ? [up, down] : [down, up]
  const total = name === "client" ? plan.up : plan.down
  const pause = name === "client" ? plan.clientPause : plan.backendPause
  if (socket.closed) return
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()))
  const ended = new Promise<void>((resolve) => {
    const end = () => {
      incoming.ended = true
      resolve()
    }
    // A stream without a byte left ends whether or not anyone reads it.
    if (stream.readableEnded) end()
    else stream.once("end", end)
  })
  for (const each of new Set([stream, socket])) {
    each.on("error", (error: NodeJS.ErrnoException) => {
      exchange[`${name}Error`] ??= error.code ?? error.message
    })
  }
  const take = (chunk: Buffer) => {
    if (name === "client" && exchange.backend === undefined) exchange.refused(chunk)
    else exchange.receive(incoming, chunk)
    if (pause === 0 || incoming.received % 7 !== 0) return
    stream.pause()
    setTimeout(() => stream.resume(), pause)
  }
  stream.on("data", take)
  stream.resume()
  // Flowing begins in a later turn, so that this comes first.
  if (rest.length > 0) take(rest)

  const isSecond = plan.ending !== "both" && plan.ending !== `${name}-first`
  const resetAt = plan.fault === `${name}-reset` ? plan.faultAfter : Number.POSITIVE_INFINITY
  const stages = isSecond ? [Math.floor(total / 2), total] : [total]
  for (const [index, upTo] of stages.entries()) {
    if (index === 1) await Promise.race([ended, closed])
    await send(side, outgoing, Math.min(upTo, resetAt), closed)
    if (outgoing.sent >= resetAt) {
      socket.resetAndDestroy()
      break
    }
  }
  if (!isSecond && plan.silence > 0) await Promise.race([sleep(plan.silence), closed])
  stream.end()
  await closed
}

async function send({ stream, socket }: Side, flow: Flow, upTo: number, closed: Promise<void>): Promise<void> {
  while (flow.sent < upTo && !socket.destroyed && stream.writable) {
    const chunk = flow.pattern.bytes(flow.sent, upTo - flow.sent)
    flow.sent += chunk.length
    if (stream.write(chunk)) continue
    await Promise.race([new Promise<void>((resolve) => stream.once("drain", () => resolve())), closed])
  }
}
