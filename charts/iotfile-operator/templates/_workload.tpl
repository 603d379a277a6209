{{/* The image, with its digest or its tag. */}}
{{- define "iotfile-operator.image" -}}
{{ .image.repository }}{{ if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .image.tag | default .appVersion }}{{ end }}
{{- end }}

{{/* Seven eighths of the memory limit, a little more: the rest is for what is not Go's heap. */}}
{{- define "iotfile-operator.goMemLimit" -}}
{{- $limit := .limits.memory -}}
{{- $mebibytes := trimSuffix "Mi" $limit | int64 -}}
{{- if hasSuffix "Gi" $limit }}{{ $mebibytes = mul 1024 (trimSuffix "Gi" $limit | int64) }}{{ end -}}
{{ div (mul 900 $mebibytes) 1024 }}MiB
{{- end }}

{{/* What tells cert-manager to have the API server trust the webhooks. */}}
{{- define "iotfile-operator.injection" -}}
{{- if .Values.certManager.enabled }}
  annotations:
    cert-manager.io/inject-ca-from: {{ .Release.Namespace }}/iotfile-operator-webhook
{{- end }}
{{- end }}

{{/*
A Deployment and its PodDisruptionBudget, of
  root: the chart's own context
  name: of both
  component: by which its pods are told from others
  dataPlane, controller: whether its pods are that
Every replica serves the REST API; whoever of them holds the lease also reconciles. config/manager/deployment.yaml has the same as plain manifest.
*/}}
{{- define "iotfile-operator.workload" -}}
{{- $values := .root.Values -}}
{{- $clientCA := and .controller $values.webhook.clientCAConfigMap -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: &labels
    app.kubernetes.io/name: iotfile-operator
    app.kubernetes.io/component: {{ .component }}
spec:
  {{- if .controller }}
  replicas: {{ $values.replicas }}
  {{- end }}
  selector:
    matchLabels: *labels
  strategy:
    rollingUpdate:
      maxUnavailable: 0
      maxSurge: 1
  template:
    metadata:
      labels: *labels
      annotations:
        kubectl.kubernetes.io/default-container: operator
    spec:
      serviceAccountName: {{ .name }}
      {{- with $values.image.pullSecrets }}
      imagePullSecrets: {{ toJson . }}
      {{- end }}
      # Longer than the pod takes to end: parts in flight are allowed to finish.
      terminationGracePeriodSeconds: {{ add 30 $values.drainDelaySeconds (ternary $values.gracePeriodSeconds 0 .dataPlane) }}
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        runAsGroup: 65532
        seccompProfile:
          type: RuntimeDefault
      containers:
      - name: operator
        image: {{ include "iotfile-operator.image" (dict "image" $values.image "appVersion" .root.Chart.AppVersion) | quote }}
        imagePullPolicy: {{ $values.image.pullPolicy }}
        args:
        {{- if $values.tls.plainHTTP }}
        - --plain-http
        {{- else }}
        - --tls-cert-dir=/etc/iotfile/tls
        {{- end }}
        - --roles={{ if .dataPlane }}data-plane{{ end }}{{ if and .dataPlane .controller }},{{ end }}{{ if .controller }}controller{{ end }}
        {{- if .controller }}
        - --leader-elect
        {{- end }}
        {{- if .dataPlane }}
        - --data-plane-bind-address=:8443
        {{- end }}
        - --health-probe-bind-address=:8081
        - --metrics-bind-address=:8082
        {{- if .controller }}
        - --webhook-bind-address=:9443
        {{- if $clientCA }}
        - --webhook-client-ca-file=/etc/iotfile/webhook-client-ca/ca.crt
        - --webhook-client-names={{ join "," $values.webhook.clientNames }}
        {{- end }}
        {{- end }}
        {{- if .dataPlane }}
        - --drain-delay={{ $values.drainDelaySeconds }}s
        - --grace-period={{ $values.gracePeriodSeconds }}s
        {{- end }}
        {{- if and .controller $values.certManager.enabled }}
        - --manage-certificates=false
        {{- end }}
        {{- if $values.allowLocalEndpoints }}
        - --allow-local-endpoints
        {{- end }}
        {{- range $values.extraArgs }}
        - {{ quote . }}
        {{- end }}
        env:
        # Where the FileStores' Secrets and the lease are.
        - name: POD_NAMESPACE
          valueFrom:
            fieldRef:
              fieldPath: metadata.namespace
        - name: GOMEMLIMIT
          value: {{ include "iotfile-operator.goMemLimit" $values.resources }}
        {{- with $values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        ports:
        {{- if .dataPlane }}
        - name: data-plane
          containerPort: 8443
        {{- end }}
        - name: health
          containerPort: 8081
        - name: metrics
          containerPort: 8082
        {{- if .controller }}
        - name: webhook
          containerPort: 9443
        {{- end }}
        {{- if and (not .dataPlane) $values.drainDelaySeconds }}
        # The API server must have noticed that this pod ends before its webhooks do.
        lifecycle:
          preStop:
            sleep:
              seconds: {{ $values.drainDelaySeconds }}
        {{- end }}
        livenessProbe:
          httpGet:
            path: /healthz
            port: health
          periodSeconds: 20
          timeoutSeconds: 5
        readinessProbe:
          httpGet:
            path: /readyz
            port: health
          periodSeconds: 5
          timeoutSeconds: 2
        resources:
          {{- toYaml $values.resources | nindent 10 }}
        securityContext:
          allowPrivilegeEscalation: false
          readOnlyRootFilesystem: true
          capabilities:
            drop: [ALL]
        {{- if or $clientCA (not $values.tls.plainHTTP) }}
        volumeMounts:
        {{- if not $values.tls.plainHTTP }}
        - name: tls
          mountPath: /etc/iotfile/tls
          readOnly: true
        {{- end }}
        {{- if $clientCA }}
        - name: webhook-client-ca
          mountPath: /etc/iotfile/webhook-client-ca
          readOnly: true
        {{- end }}
      volumes:
      {{- if not $values.tls.plainHTTP }}
      - name: tls
        secret:
          secretName: {{ $values.tls.secretName }}
      {{- end }}
      {{- if $clientCA }}
      - name: webhook-client-ca
        configMap:
          name: {{ $clientCA }}
      {{- end }}
        {{- end }}
      {{- with $values.nodeSelector }}
      nodeSelector: {{ toJson . }}
      {{- end }}
      {{- with $values.tolerations }}
      tolerations: {{ toJson . }}
      {{- end }}
      topologySpreadConstraints:
      {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
      - topologyKey: {{ . }}
        maxSkew: 1
        whenUnsatisfiable: ScheduleAnyway
        labelSelector:
          matchLabels: *labels
        matchLabelKeys: [pod-template-hash]
      {{- end }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
spec:
  maxUnavailable: 1
  # A pod that is not ready serves nobody: draining its node must not wait for it.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      app.kubernetes.io/name: iotfile-operator
      app.kubernetes.io/component: {{ .component }}
{{- end }}
