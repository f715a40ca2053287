import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { freePort } from "../support/free-port.ts"
import { listening, MODULES, type Running, start, writeCertificate } from "./programs.ts"

/** A TLS server of another project that wants a PROXY protocol header on each connection. */
export interface Receiver {
  readonly name: string
  readonly port: number
  /** Longest header it takes, in bytes: what docs/policies.md says. */
  readonly longest: number
  readonly server: Running
}

/** What a receiver answers: the client's address, as the header told it. */
export const ADDRESS = /client=([0-9a-f.:]+)/

/** nginx's version as one number, 1.22.1 as 1022001. */
export function nginxVersion(text: string): number {
  const [, major = 0, minor = 0, patch = 0] = (/nginx\/(\d+)\.(\d+)\.(\d+)/.exec(text) ?? []).map(Number)
  return major * 1_000_000 + minor * 1_000 + patch
}

/** nginx twice: its http server, and its stream server. */
export async function startNginx(dir: string, names: readonly string[], version: number): Promise<readonly Receiver[]> {
  writeCertificate(dir, names)
  const [http, stream] = [await freePort(), await freePort()]
  const isOld = version < 1_023_002
  const tls = `ssl_certificate ${dir}/cert.pem; ssl_certificate_key ${dir}/key.pem;`
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (what) => `${what}_temp_path ${dir}/${what};`,
  )
  writeFileSync(
    join(dir, "nginx.conf"),
    `daemon off; pid ${dir}/nginx.pid; error_log stderr info; user root;
load_module ${MODULES.nginx}/ngx_stream_module.so;
events {}
http { access_log off; ${temporary.join(" ")}
  server { listen 127.0.0.1:${http} ssl proxy_protocol; ${tls} return 200 "client=$proxy_protocol_addr\\n"; } }
stream { server { listen 127.0.0.1:${stream} ssl proxy_protocol; ${tls} return "client=$proxy_protocol_addr\\n"; } }
`,
  )
  const server = start("nginx", ["-c", join(dir, "nginx.conf"), "-p", dir])
  await listening(http, server)
  return [
    { name: "nginx http", port: http, longest: isOld ? 108 : 4096, server },
    { name: "nginx stream", port: stream, longest: isOld ? 107 : 4096, server },
  ]
}

/** Apache httpd with mod_remoteip. */
export async function startApache(dir: string, names: readonly string[]): Promise<Receiver> {
  writeCertificate(dir, names)
  mkdirSync(join(dir, "htdocs"))
  writeFileSync(join(dir, "htdocs", "index.html"), "")
  const port = await freePort()
  const modules = ["mpm_event", "ssl", "socache_shmcb", "remoteip", "authz_core", "headers", "dir"]
  writeFileSync(
    join(dir, "apache.conf"),
    `ServerRoot ${dir}
ServerName localhost
PidFile ${dir}/apache.pid
Listen 127.0.0.1:${port}
${modules.map((name) => `LoadModule ${name}_module ${MODULES.apache}/mod_${name}.so`).join("\n")}
User www-data
Group www-data
Mutex file:${dir}
ErrorLog ${dir}/error.log
LogLevel info
SSLEngine on
SSLCertificateFile ${dir}/cert.pem
SSLCertificateKeyFile ${dir}/key.pem
SSLSessionCache none
DocumentRoot ${dir}/htdocs
RemoteIPProxyProtocol On
Header always set X-Client "expr=client=%{REMOTE_ADDR}"
`,
  )
  const server = start("apache2", ["-f", join(dir, "apache.conf"), "-DFOREGROUND"])
  await listening(port, server)
  return { name: "Apache mod_remoteip", port, longest: 232, server }
}

/** HAProxy. `verify` makes it ask for a client certificate, in TLS 1.2, as mutual TLS does. */
export async function startHaproxy(dir: string, names: readonly string[], verify = false): Promise<Receiver> {
  writeCertificate(dir, names)
  const port = await freePort()
  const mutual = verify ? `ca-file ${dir}/cert.pem verify required ssl-max-ver TLSv1.2` : ""
  writeFileSync(
    join(dir, "haproxy.cfg"),
    `defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 5s
frontend tls
  bind 127.0.0.1:${port} accept-proxy ssl crt ${dir}/both.pem ${mutual}
  http-request return status 200 content-type text/plain lf-string "client=%[src]\\n"
`,
  )
  const server = start("haproxy", ["-db", "-f", join(dir, "haproxy.cfg")])
  await listening(port, server)
  return { name: "HAProxy", port, longest: 16_384, server }
}
