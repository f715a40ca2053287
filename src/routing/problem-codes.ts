/** Codes of what breaks a rule of an object's schema. */
export type SchemaCode =
  /** A newer form exists. */
  | "Deprecated"
  /** An entry of a list repeats another one's key. */
  | "Duplicate"
  /** A field that must not be there. */
  | "Forbidden"
  | "InvalidType"
  | "InvalidValue"
  /** A field whose value has no effect. */
  | "NoEffect"
  /** A kind or version that is not known. */
  | "NotSupported"
  | "Required"
  | "TooLong"
  | "TooMany"
  | "UnknownField"
  | "UnsupportedVersion"

/** Codes of what routing finds, where there is one named like the reason of the Gateway API's condition. */
export type RoutingCode =
  | "BackendNotFound"
  | "ConnectionCoalescing"
  | "HostnameConflict"
  | "Invalid"
  | "InvalidKind"
  | "InvalidParameters"
  | "InvalidRouteKinds"
  | "ListenersNotValid"
  | "NeverMatches"
  | "NoEndpoints"
  | "NoHostnames"
  | "NoMatchingListenerHostname"
  | "NoMatchingParent"
  | "NoParent"
  | "NoWeight"
  | "NotAllowed"
  | "NotAllowedByListeners"
  | "ParentNotAccepted"
  | "Pending"
  | "ProtocolConflict"
  | "RefNotPermitted"
  | "SeveralRules"
  | "ShadowedHostname"
  | "UnsupportedAddress"
  | "UnsupportedProtocol"
  | "UnsupportedValue"

/** Codes of what is wrong with policies in annotations. */
export type PolicyCode =
  /** Clients and proxies may wait for each other: STARTTLS with an optional PROXY protocol header. */
  | "GreetingWaits"
  | "InvalidPolicyValue"
  | "MisplacedPolicy"
  /** A policy that means nothing for datagrams, where QUIC is on. */
  | "NoMeaningForQuic"
  | "PolicyConflict"
  /** Policies of a program for an object that is not served. */
  | "PolicyWithoutObject"
  /** QUIC is on where connections must begin with what datagrams cannot. */
  | "QuicNotTaken"
  /** A port whose clients usually begin in plain text, on a listener that does not. */
  | "StarttlsExpected"
  /** A port whose clients begin with TLS, on a listener that has them greeted first. */
  | "StarttlsUnexpected"
  | "UnknownPolicy"

/** Codes of what sources could not read. */
export type SourceCode =
  | "DuplicateKey"
  | "DuplicateObject"
  | "EmptyDirectory"
  | "EmptyFile"
  | "InvalidJson"
  | "InvalidObject"
  | "InvalidResources"
  | "InvalidYaml"
  | "KindNotServed"
  | "Kustomization"
  | "MissingSeparator"
  /** A cluster has no GatewayClass of the controller that is asked about. */
  | "NoGatewayClass"
  /** A kind that may not be read from an API server. */
  | "NotReadable"
  /** A route of a kind that is not served, on a Gateway that is there; a class or controller that is nearly one served. */
  | "NotServed"
  /** A Go template, such as Helm's, that is not rendered. */
  | "Template"
  /** A kind that is misspelt, or of another group. */
  | "UnknownKind"
  | "UnquotedWildcard"
  | "UnreadableFile"
  | "WatchFailing"

/** Every code of a problem that this package reports. */
export type ProblemCode = SchemaCode | RoutingCode | PolicyCode | SourceCode
