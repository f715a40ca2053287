import { X509Certificate } from "node:crypto"
import { once } from "node:events"
import type { AddressInfo } from "node:net"
import { connect, createServer } from "node:tls"
import { expect, test } from "vitest"
import { certificateAuthority, selfSigned } from "./certificate.ts"

async function handshake(server: { key: string; cert: string }, ca: string, servername: string): Promise<string> {
  const listener = createServer(server, (socket) => socket.end()).listen(0, "127.0.0.1")
  await once(listener, "listening")
  const socket = connect({ port: (listener.address() as AddressInfo).port, host: "127.0.0.1", ca, servername })
  await once(socket, "secureConnect")
  const name = socket.getPeerCertificate().subject.CN
  socket.destroy()
  listener.close()
  return String(name)
}

test("a self-signed certificate is taken by a client that trusts it", async () => {
  const own = selfSigned(["a.example.com", "*.b.example.com", "127.0.0.1", "::1"])
  expect(new X509Certificate(own.cert).subjectAltName).toBe(
    "DNS:a.example.com, DNS:*.b.example.com, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1",
  )
  expect(await handshake(own, own.cert, "x.b.example.com")).toBe("a.example.com")
})

test("an issued certificate is taken by a client that trusts the authority, and only for its names", async () => {
  const authority = certificateAuthority()
  const issued = authority.issue(["www.example.com"])
  expect(await handshake(issued, authority.cert, "www.example.com")).toBe("www.example.com")
  await expect(handshake(issued, authority.cert, "other.example.com")).rejects.toThrow("does not match")
})
