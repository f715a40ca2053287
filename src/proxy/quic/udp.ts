import { createSocket, type Socket } from "node:dgram"
import { once } from "node:events"
import { type AddressInfo, isIPv6 } from "node:net"
import type { DialEndpoint } from "../target.ts"

/** A bound port, over which datagrams come from anywhere and go anywhere. */
export interface UdpPort {
  /** Where it is bound. */
  readonly address: AddressInfo
  /** Sends; false when the kernel takes no more and the datagram is dropped. */
  send(datagram: Uint8Array, port: number, address: string): boolean
  /** Closes it; nothing is received from here on. */
  close(): void
}

/** A socket that exchanges datagrams with one endpoint. */
export interface UdpPeer {
  /** Sends; false when the kernel takes no more and the datagram is dropped. */
  send(datagram: Uint8Array): boolean
  /** Closes it; nothing is received from here on. */
  close(): void
}

/** Takes what comes from one endpoint. */
export interface UdpPeerOwner {
  /** A datagram came. It is the owner's. */
  peerDatagram(datagram: Buffer): void
  /** The system says that the endpoint cannot be reached, or that there is no such port. */
  peerFailed(code: string | undefined): void
}

/** What to bind. */
export interface UdpBindOptions {
  /** IP address; `undefined` for every address, IPv6 and IPv4. */
  readonly host: string | undefined
  /** UDP port. */
  readonly port: number
}

/** Makes sockets: the kernel's, or those of a test. */
export interface UdpNetwork {
  /**
   * Binds a port.
   *
   * @param received - takes each datagram, which is its own, with the address and port that it came from
   * @param failed - is told of errors after binding
   */
  bind(
    options: UdpBindOptions,
    received: (datagram: Buffer, address: string, port: number) => void,
    failed: (error: Error) => void,
  ): Promise<UdpPort>
  /** Makes a socket for one endpoint. @throws Error when the system has none to give, or the endpoint is no address. */
  connect(endpoint: DialEndpoint, owner: UdpPeerOwner): UdpPeer
}

/** Bytes asked for in the kernel's buffers. The kernel gives what it may: see `net.core.rmem_max`. */
const PORT_BUFFER = 4 * 1024 * 1024
const PEER_BUFFER = 1024 * 1024
/** Bytes that may wait in this process for the kernel to take them. */
const MOST_QUEUED = 1024 * 1024

/** The kernel's sockets. */
export const kernelUdp: UdpNetwork = {
  async bind({ host, port }, received, failed) {
    const socket = await bound(host, port)
    enlarge(socket, PORT_BUFFER)
    socket.on("message", (datagram, { address, port: from }) => received(datagram, address, from))
    socket.on("error", failed)
    return {
      address: socket.address(),
      send(datagram, to, address) {
        if (socket.getSendQueueSize() > MOST_QUEUED) return false
        socket.send(datagram, to, address)
        return true
      },
      close: () => socket.close(),
    }
  },
  connect({ address, port }, owner) {
    const socket = newSocket(isIPv6(address))
    let isClosed = false
    socket.on("message", (datagram) => {
      if (!isClosed) owner.peerDatagram(datagram)
    })
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (!isClosed) owner.peerFailed(error.code)
    })
    try {
      // With an address and the look-up below it is connected when this returns.
      socket.connect(port, address)
    } catch (error) {
      socket.close()
      throw error
    }
    enlarge(socket, PEER_BUFFER)
    // The kernel tells a send, too, that an earlier datagram was refused, and then tells nobody else (udp(7)). What else
    // can go wrong with a send concerns its own datagram.
    const sent = (error: Error | null): void => {
      if (!isClosed && (error as NodeJS.ErrnoException | null)?.code === "ECONNREFUSED")
        owner.peerFailed("ECONNREFUSED")
    }
    return {
      send(datagram) {
        if (isClosed || socket.getSendQueueSize() > MOST_QUEUED) return false
        socket.send(datagram, sent)
        return true
      },
      close() {
        if (isClosed) return
        isClosed = true
        socket.close()
      },
    }
  },
}

async function bound(host: string | undefined, port: number): Promise<Socket> {
  const socket = newSocket(host === undefined || isIPv6(host))
  try {
    const listening = once(socket, "listening")
    // Shared handles of a cluster would hand a flow's datagrams to other workers.
    socket.bind({ port, exclusive: true, ...(host === undefined ? {} : { address: host }) })
    await listening
    return socket
  } catch (error) {
    socket.close()
    const { code } = error as NodeJS.ErrnoException
    // Without IPv6 every address is every IPv4 address.
    if (host === undefined && (code === "EAFNOSUPPORT" || code === "EINVAL")) return bound("0.0.0.0", port)
    throw error
  }
}

function newSocket(isV6: boolean): Socket {
  return createSocket({
    type: isV6 ? "udp6" : "udp4",
    // Every host here is an address: a look-up would only put off each datagram by a turn of the loop.
    lookup: (host, _options, callback) => callback(null, host, isIPv6(host) ? 6 : 4),
  })
}

function enlarge(socket: Socket, bytes: number): void {
  try {
    socket.setRecvBufferSize(bytes)
    socket.setSendBufferSize(bytes)
  } catch {
    // Smaller buffers drop more in a burst, and QUIC sends again what was dropped.
  }
}
