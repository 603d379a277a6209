package devcluster

import (
	"path/filepath"

	"sigs.k8s.io/yaml"
)

// writeAuditPolicy writes what of which users' requests the API server logs: who did what to which
// object, and with what result, without bodies. A request is logged once it is answered; one that
// stays open, a watch, also when its answer begins.
func writeAuditPolicy(path string, users []string) error {
	policy, err := yaml.Marshal(map[string]any{
		"apiVersion": "audit.k8s.io/v1",
		"kind":       "Policy",
		"omitStages": []string{"RequestReceived"},
		"rules": []any{
			map[string]any{"level": "Metadata", "users": users},
			map[string]any{"level": "None"},
		},
	})
	if err != nil {
		return err
	}
	return writeFile(path, policy)
}

// auditLog is where the API server of a control plane in dir logs requests.
func auditLog(dir string) string { return filepath.Join(dir, "logs", "audit.log") }

// auditArgs has the API server log by the policy. It writes an event before it answers, so that
// whoever has an answer finds the request in the log, and keeps all in one file.
func auditArgs(policy, log string) []string {
	return []string{
		"--audit-policy-file=" + policy,
		"--audit-log-path=" + log,
		"--audit-log-format=json",
		"--audit-log-mode=blocking",
		"--audit-log-maxsize=10240", // MB, after which it would be put aside
	}
}
