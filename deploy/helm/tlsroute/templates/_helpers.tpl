{{- define "tlsroute.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "tlsroute.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "tlsroute.labels" -}}
{{ include "tlsroute.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end -}}

{{/* Roles are cluster-wide, and two releases of one name may live in two namespaces. */}}
{{- define "tlsroute.clusterName" -}}
{{- if eq (include "tlsroute.fullname" .) .Release.Namespace -}}
{{- .Release.Namespace -}}
{{- else -}}
{{- printf "%s-%s" .Release.Namespace (include "tlsroute.fullname" .) -}}
{{- end -}}
{{- end -}}

{{/* What reading configuration and writing statuses takes inside a namespace. */}}
{{- define "tlsroute.namespacedRules" -}}
- apiGroups: [gateway.networking.k8s.io]
  resources: [gateways, listenersets, tlsroutes, referencegrants]
  verbs: [get, list, watch]
- apiGroups: [gateway.networking.k8s.io]
  resources: [gateways/status, listenersets/status, tlsroutes/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [services]
  verbs: [list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
# Events about Gateways, ListenerSets and TLSRoutes: a new one is created, what happens again is counted on it.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
