import type { Socket } from "node:net"

/**
 * Who answers for a socket's events. Each socket has one owner at a time; ownership moves as its
 * connection goes from state to state, while the listeners are attached once. They are plain functions
 * shared by all sockets: no closure is made per connection.
 */
export interface SocketOwner {
  /** The socket is connected. Only for sockets that dial. */
  socketConnected?(socket: Socket): void
  /** Bytes arrived. Not for sockets that read into slabs. */
  socketData?(socket: Socket, chunk: Buffer): void
  /** The peer ended its stream. */
  socketEnded(socket: Socket): void
  /** What was written has reached the kernel. */
  socketDrained?(socket: Socket): void
  /** The socket failed; `socketClosed` follows. */
  socketFailed(socket: Socket, error: Error): void
  /** The socket is gone. */
  socketClosed(socket: Socket): void
}

const OWNER = Symbol("owner")

type OwnedSocket = Socket & { [OWNER]?: SocketOwner }

/** Gives a socket its first owner. Its `data` events begin to flow. */
export function adoptReading(socket: Socket, owner: SocketOwner): void {
  adopt(socket, owner)
  startReading(socket)
}

/** Lets a socket's bytes flow to its owner. One that is still dialling begins once it is connected. */
export function startReading(socket: Socket): void {
  socket.on("data", onData)
}

/** Gives a socket its first owner, when something else takes its bytes. */
function adopt(socket: Socket, owner: SocketOwner): void {
  ;(socket as OwnedSocket)[OWNER] = owner
  socket.on("end", onEnd)
  socket.on("drain", onDrain)
  socket.on("error", onError)
  socket.on("close", onClose)
}

/** Gives a dialling socket its first owner. */
export function adoptDialing(socket: Socket, owner: SocketOwner): void {
  adopt(socket, owner)
  socket.on("connect", onConnect)
}

/** Moves a socket to its next owner. */
export function handOver(socket: Socket, owner: SocketOwner): void {
  ;(socket as OwnedSocket)[OWNER] = owner
}

function onConnect(this: OwnedSocket): void {
  this[OWNER]?.socketConnected?.(this)
}

function onData(this: OwnedSocket, chunk: Buffer): void {
  this[OWNER]?.socketData?.(this, chunk)
}

function onEnd(this: OwnedSocket): void {
  this[OWNER]?.socketEnded(this)
}

function onDrain(this: OwnedSocket): void {
  this[OWNER]?.socketDrained?.(this)
}

function onError(this: OwnedSocket, error: Error): void {
  this[OWNER]?.socketFailed(this, error)
}

function onClose(this: OwnedSocket): void {
  this[OWNER]?.socketClosed(this)
}

/**
 * Has the kernel ask a silent peer whether it is still there (RFC 9293 section 3.8.4), and fail the socket when it does
 * not answer: a peer that vanished sends no FIN.
 *
 * @param socket - connected
 * @param after - milliseconds without a segment before it asks; `Infinity` for never
 */
export function keepAlive(socket: Socket, after: number): void {
  if (after !== Number.POSITIVE_INFINITY) socket.setKeepAlive(true, after)
}

/** Ends a socket with RST, or without where it is not TCP. Does nothing once it is destroyed. */
export function reset(socket: Socket): void {
  // While its FIN is on its way libuv refuses to reset a socket, and Node.js then forgets the handle without closing
  // it: the descriptor would stay open for ever, and `close` never come. A turn of the event loop later it is possible.
  const isEnding = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0
  if (isEnding && !socket.destroyed) socket.once("finish", resetNow)
  else resetNow.call(socket)
}

function resetNow(this: Socket): void {
  if (this.destroyed) return
  try {
    this.resetAndDestroy()
  } catch {
    this.destroy()
  }
}
