import { spawnSync } from "node:child_process"
import { createHash, randomBytes } from "node:crypto"
import { createReadStream, createWriteStream, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createSecureServer } from "node:http2"
import { join } from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import type { ConnectionRecord } from "../../src/proxy/connection/record.ts"
import { isRoot, run } from "../starttls/support/run.ts"
import { atEnd } from "../support/at-end.ts"
import { certificateAuthority } from "../support/certificate.ts"
import { freePort } from "../support/free-port.ts"
import { startGateway } from "../support/gateway.ts"
import { gateway, listener, resources, route, service } from "../support/resources.ts"
import { folder, listening, missing, start, titled } from "./programs.ts"

const MB = 1_000_000
const NAMES = { nginx: "nginx.example.test", node: "node.example.test" } as const
const [NGINX, NODE] = [NAMES.nginx, NAMES.node]

const noServer = missing("nginx") ?? (isRoot ? undefined : "names of its own are only for root")
const python = ["python3", "/usr/bin/python3"].find((each) => spawnSync(each, ["-c", "import requests"]).status === 0)
const noPython = python === undefined ? missing("/usr/lib/python3/dist-packages/requests") : undefined
const noGo = spawnSync("go", ["version"]).status === 0 ? undefined : "Go is not installed"

/** A client: downloads `/file` of the origin, says its SHA-256, and uploads it again as `/up`. */
interface HttpClient {
  readonly name: string
  readonly reason: string | undefined
  /** Bytes of the file. */
  readonly size: number
  /** Command line for an origin, a folder of its own, and the authority's certificate. */
  readonly command: (origin: string, dir: string, ca: string) => readonly [string, ...string[]]
}

const curl = (version: string): HttpClient => ({
  name: `curl --http${version}`,
  reason: missing("curl"),
  size: 100 * MB,
  command: (origin, dir, ca) => {
    const ask = `curl -sS --fail --http${version} --cacert ${ca}`
    const [down, up] = [`${ask} -o ${dir}/got ${origin}/file`, `${ask} -T ${dir}/got ${origin}/up`]
    return ["sh", "-c", `${down} && sha256sum ${dir}/got && ${up}`]
  },
})

/** A client in a language whose program is its own source. */
function program(name: string, reason: string | undefined, file: string, source: string, ...launch: string[]) {
  return {
    name,
    reason,
    size: 8 * MB,
    command: (origin, dir, ca) => {
      writeFileSync(join(dir, file), source)
      const [command = "", ...args] = launch
      return [command, ...args, join(dir, file), origin, ca]
    },
  } satisfies HttpClient
}

const clients: readonly HttpClient[] = [
  curl("1.1"),
  curl("2"),
  program(
    "Python requests",
    noPython,
    "client.py",
    `import hashlib, requests, sys
origin, ca = sys.argv[1:]
with requests.Session() as session:
    for _ in range(2):
        got = session.get(origin + "/file", verify=ca).content
print(hashlib.sha256(got).hexdigest())
requests.put(origin + "/up", data=got, verify=ca).raise_for_status()
`,
    python ?? "python3",
  ),
  program(
    "Go net/http",
    noGo,
    "client.go",
    `package main
import ("bytes"; "crypto/sha256"; "crypto/tls"; "crypto/x509"; "fmt"; "io"; "net/http"; "os")
func must[T any](value T, err error) T { if err != nil { panic(err) }; return value }
func main() {
	origin, roots := os.Args[1], x509.NewCertPool()
	roots.AppendCertsFromPEM(must(os.ReadFile(os.Args[2])))
	for _, http2 := range []bool{false, true} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: http2}
		client := &http.Client{Transport: transport}
		answer := must(client.Get(origin + "/file"))
		got := must(io.ReadAll(answer.Body))
		answer.Body.Close()
		fmt.Printf("%x\\n", sha256.Sum256(got))
		put := must(client.Do(must(http.NewRequest("PUT", origin+"/up", bytes.NewReader(got)))))
		if put.StatusCode > 299 { panic(put.Status) }
		// Left to the end of the process in the second turn.
		if !http2 { put.Body.Close(); client.CloseIdleConnections() }
	}
}
`,
    "go",
    "run",
  ),
  program(
    "Java HttpClient",
    missing("java", "javac"),
    "Client.java",
    `import java.io.*; import java.net.*; import java.net.http.*; import java.security.*; import java.security.cert.*;
import java.util.*; import javax.net.ssl.*;
public class Client { public static void main(String[] args) throws Exception {
  var store = KeyStore.getInstance(KeyStore.getDefaultType()); store.load(null, null);
  try (var in = new FileInputStream(args[1])) {
    store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(in)); }
  var trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm()); trust.init(store);
  var context = SSLContext.getInstance("TLS"); context.init(null, trust.getTrustManagers(), null);
  for (var version : HttpClient.Version.values()) {
    var client = HttpClient.newBuilder().sslContext(context).version(version).build();
    var get = HttpRequest.newBuilder(URI.create(args[0] + "/file")).build();
    var got = client.send(get, HttpResponse.BodyHandlers.ofByteArray()).body();
    System.out.println(HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(got)));
    var put = HttpRequest.newBuilder(URI.create(args[0] + "/up")).PUT(HttpRequest.BodyPublishers.ofByteArray(got)).build();
    var status = client.send(put, HttpResponse.BodyHandlers.discarding()).statusCode();
    if (status > 299) throw new Exception("status " + status);
  }
  System.exit(0); } }
`,
    "java",
    "-Xmx512m",
  ),
]

describe.skipIf(noServer !== undefined)(titled("a session with which nothing is wrong", noServer), () => {
  const dir = folder()
  const ca = certificateAuthority()
  const authority = join(dir, "ca.pem")
  const records: ConnectionRecord[] = []
  let served: Awaited<ReturnType<typeof startGateway>>

  beforeAll(async () => {
    writeFileSync(authority, ca.cert)
    for (const name of [NGINX, NODE]) mkdirSync(join(dir, name))
    const ports = { nginx: await nginxServer(join(dir, NGINX)), node: await nodeServer(join(dir, NODE)) }
    const source = resources(
      { gateways: [gateway([listener("tls", 8443)])] },
      ...Object.entries(ports).map(([key, port]) => ({
        ...service(key, [port]),
        tlsRoutes: [route(key, [NAMES[key as keyof typeof NAMES]], [{ name: key, port: 443 }])],
      })),
    )
    served = await startGateway({ source })
    served.gateway.on("close", (record) => records.push(record))
    atEnd(() => served.gateway.close({ drainTimeout: 0 }))
  })

  async function nginxServer(root: string): Promise<number> {
    const { cert, key } = ca.issue([NGINX])
    const [port, own] = [await freePort(), join(dir, "nginx")]
    mkdirSync(own)
    writeFileSync(join(own, "cert.pem"), cert)
    writeFileSync(join(own, "key.pem"), key)
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
      (what) => `${what}_temp_path ${own}/${what};`,
    )
    writeFileSync(
      join(own, "nginx.conf"),
      `daemon off; pid ${own}/nginx.pid; error_log stderr info; user root;
events {}
http { access_log off; client_max_body_size 0; ${temporary.join(" ")}
  server { listen 127.0.0.1:${port} ssl http2; ssl_certificate ${own}/cert.pem; ssl_certificate_key ${own}/key.pem;
    root ${root}; dav_methods PUT; } }
`,
    )
    await listening(port, start("nginx", ["-c", join(own, "nginx.conf"), "-p", own]))
    return port
  }

  async function nodeServer(root: string): Promise<number> {
    const server = createSecureServer({ ...ca.issue([NODE]), allowHTTP1: true }, (request, response) => {
      if (request.method === "GET") createReadStream(join(root, request.url)).pipe(response)
      else request.pipe(createWriteStream(join(root, request.url))).on("finish", () => response.end())
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    atEnd(() => void server.close())
    const address = server.address()
    if (address === null || typeof address === "string") throw new Error("no port")
    return address.port
  }

  const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

  describe.each(clients)("$name", ({ reason, size, command }) => {
    it.skipIf(reason !== undefined).each([NGINX, NODE])(
      titled("is recorded as completed: down and up, with %s", reason),
      async (name) => {
        const file = randomBytes(size)
        writeFileSync(join(dir, name, "file"), file)
        rmSync(join(dir, name, "up"), { force: true })
        const own = join(dir, "own")
        mkdirSync(own, { recursive: true })
        const [program, ...args] = command(`https://${name}:${served.port}`, own, authority)
        const { code, stdout, stderr } = await run(program, args, { names: [NGINX, NODE] })
        expect([code, stderr]).toEqual([0, ""])
        const hashes = stdout.match(/[0-9a-f]{64}/g)
        expect(new Set(hashes)).toEqual(new Set([sha256(file)]))
        expect(sha256(readFileSync(join(dir, name, "up")))).toBe(sha256(file))
        // A client that has ended keeps none alive.
        await expect.poll(() => served.gateway.connections.size).toBe(0)
        const told = records.splice(0)
        expect(told.length).toBeGreaterThan(0)
        expect(Math.max(...told.map(({ bytesFromClient }) => bytesFromClient))).toBeGreaterThan(size)
        expect(told.map(({ outcome }) => outcome)).toEqual(told.map(() => "completed"))
      },
    )
  })
})
