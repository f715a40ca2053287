import { annotationName, POLICY_KEYS, type PolicyLevel } from "../../gateway/policies/fields.ts"
import { fieldOf } from "../../gateway/policies/layer.ts"
import { SIGNALS } from "../shared/signals.ts"

/** Columns of what is put into lines here. */
const WIDTH = 80

/** Something to read about that is no command. */
export interface Topic {
  readonly summary: string
  readonly text: () => string
}

/** What `tlsroute help TOPIC` tells. */
export const TOPICS: Readonly<Record<string, Topic>> = {
  environment: { summary: "flags from variables and from a file, and which one counts", text: () => ENVIRONMENT },
  "exit-codes": { summary: "what the command exits with", text: () => EXIT_CODES },
  logging: { summary: "what is logged, and for whom", text: () => LOGGING },
  policies: { summary: "deadlines, limits, PROXY protocol, health: every policy", text: policies },
  refusals: { summary: "how refused clients learn of it", text: () => REFUSALS },
  signals: { summary: "what each signal does", text: () => `${SIGNALS}\n\n${HANGUP}` },
}

const HANGUP = `HUP makes tlsroute run read its files again now; tlsroute controller follows
the cluster and has nothing to read. A terminal that closes sends HUP: both go
on.

What TERM begins takes --drain-delay, in which /readyz is off and connections
are still accepted, and then at most --drain-timeout. Under systemd with
Type=notify, it hears when the command serves and when it drains.`

const ENVIRONMENT = `Every flag of every command can come from four places. What comes first
counts:

  1. the command line       --map-port 443:8443
  2. the environment        TLSROUTE_MAP_PORT=443:8443
  3. the file of --config   what it says for this command
  4. the same file          what it says for all commands

Variables are named after flags, in capitals, with underscores. Flags without
a value take true or false, yes or no, 1 or 0. Several values have commas or
line ends between: TLSROUTE_MAP_PORT=443:8443,80:8080. A value that is said to
be off turns off what a flag --no-… turns off: TLSROUTE_EVENTS=no.
TLSROUTE_CONFIG names the file. A variable that is nearly one of these is an
error.

The file is YAML or JSON: flags by their names, and commands with flags that
are for them alone. A flag that another command has is left to that one; one
that no command has is an error.

  namespace: edge
  map-port: { 443: 8443, 80: 8080 }
  policy: { idle-timeout: 10m, deny-cidrs: [192.0.2.0/24] }
  external-backends: ["*.example.net"]
  run:
    admin: 127.0.0.1:9900
  check:
    strict: true

Also read: NO_COLOR, for plain text on a terminal; KUBECONFIG, POD_NAME,
POD_NAMESPACE, NODE_NAME and NODE_ZONE, by tlsroute controller; NOTIFY_SOCKET,
which systemd sets.`

const EXIT_CODES = `  0      all is well; for run and controller: drained after a signal
  1      errors were found (check, run --dry-run), no route takes the connection
         (explain), the bytes are no ClientHello (hello), or a port cannot be
         bound (run)
  2      called wrongly, or with what cannot be used: a flag, a file that cannot
         be read, a configuration that asks for no port, a missing package
  128+n  a second signal, of number n, ended what was draining: 130 for Ctrl-C,
         143 for TERM

Services need not be started again after 2: see RestartPreventExitStatus in
systemd.service(5).`

const LOGGING = `Without --json, lines for people: ports, problems, and a line for each
connection. With --json, one JSON object a line, as pino writes them: level
(30 info, 40 warn, 50 error), time, pid, hostname, msg, event, and what
belongs to the event.

  --log-level error|warn|info    leaves out what is less than that
  --access-log all|failures|none|1%
                                 connections that have a line: refused ones and
                                 those that their backend reset are failures; a
                                 share is drawn from the others
  --log-probes                   also those that end without a byte
  --log-hello                    with --json: what each ClientHello offered, JA4

A connection that failed for the configuration's or a backend's sake is a
warning; what a client alone can bring about is none. A reader that is too
slow loses lines, and is told how many; connections never wait for it.`

const REFUSALS = `  --refusal alert    a TLS alert that tells why, then an end (default of run)
  --refusal close    an end (default of controller)
  --refusal reset    a reset

Alerts: unrecognized_name where no route has the name; internal_error where
the route's backend cannot be reached; access_denied for a policy;
illegal_parameter, decode_error, protocol_version or unexpected_message for a
ClientHello that cannot be taken. The policy refusal sets it for a listener.
Plain HTTP gets a 400, what else is not TLS an end, and who is turned away
before a ClientHello a reset; with reset, all of them get one.`

const PLACES: Readonly<Record<Exclude<PolicyLevel, "gateway">, string>> = {
  listener: "Gateway, ListenerSet",
  route: "TLSRoute",
  backend: "Service",
}

function policies(): string {
  const entries = POLICY_KEYS.map((key) => {
    const { levels, initialText, description, type } = fieldOf(key)
    const on = levels.map((level) => PLACES[level]).join(", ")
    return [
      annotationName(key),
      ...wrap(plain(description), "    "),
      ...wrap(`Value: ${plain(type.syntax)}`, "    "),
      ...wrap(`Default: ${plain(initialText)}. Annotation of: ${on}.`, "    "),
    ].join("\n")
  })
  return [
    "For all connections: --policy idle-timeout=10m, repeatable.\n" +
      'For one object: an annotation, tlsroute.dev/idle-timeout: "10m".',
    ...entries,
  ].join("\n\n")
}

/** Without the marks of Markdown. */
function plain(text: string): string {
  return text.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "docs/$1").replaceAll("`", "")
}

function wrap(text: string, indent: string): readonly string[] {
  const lines: string[] = []
  let line = indent
  for (const word of text.split(" ")) {
    if (line !== indent && line.length + 1 + word.length > WIDTH) {
      lines.push(line)
      line = indent
    }
    line += line === indent ? word : ` ${word}`
  }
  return [...lines, line]
}
