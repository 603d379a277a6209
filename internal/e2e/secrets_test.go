package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
)

// secrets are all tokens and keys that the tests have used.
var secrets struct {
	sync.Mutex
	list []string
}

// remember has scanForSecrets look for them.
func remember(values ...string) {
	secrets.Lock()
	defer secrets.Unlock()
	secrets.list = append(secrets.list, values...)
}

// scanForSecrets searches all that the operators have written down during a whole run: logs,
// events, objects, metrics. It reports how much that was.
func scanForSecrets() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	for _, tn := range system.tenants {
		remember(tn.token, tn.store.SecretKey)
	}
	texts := map[string]string{}
	logs, err := filepath.Glob(filepath.Join(filepath.Dir(system.operator.LogPath), "*.log"))
	if err != nil {
		return "", err
	}
	for _, log := range logs {
		data, err := os.ReadFile(log)
		if err != nil {
			return "", err
		}
		texts[filepath.Base(log)] = string(data)
	}
	for name, list := range map[string]client.ObjectList{
		"events": &eventsv1.EventList{}, "older events": &corev1.EventList{}, "uploads": &v1alpha1.MultipartUploadList{}, "file stores": &v1alpha1.FileStoreList{},
	} {
		if err := system.kube.List(ctx, list); err != nil {
			return "", err
		}
		data, err := json.Marshal(list)
		if err != nil {
			return "", err
		}
		texts[name] = string(data)
	}
	if texts["metrics"], err = fetchText(ctx, system.operator.MetricsURL+"/metrics"); err != nil {
		return "", err
	}
	return search(texts)
}

func search(texts map[string]string) (string, error) {
	secrets.Lock()
	defer secrets.Unlock()
	var findings []error
	var report strings.Builder
	for name, text := range texts {
		if text == "" {
			findings = append(findings, fmt.Errorf("%s is empty: nothing is proved by that", name))
		}
		fmt.Fprintf(&report, " %s %d bytes,", name, len(text))
		for i, secret := range secrets.list {
			// A signature of a token is as good as the whole; a key may be written in base64.
			forms := []string{secret, base64.StdEncoding.EncodeToString([]byte(secret)), secret[strings.LastIndex(secret, ".")+1:]}
			for _, form := range forms {
				if strings.Contains(text, form) {
					findings = append(findings, fmt.Errorf("secret %d of %d stands in %s", i+1, len(secrets.list), name))
				}
			}
		}
	}
	return fmt.Sprintf("%d secrets in%s", len(secrets.list), strings.TrimSuffix(report.String(), ",")), errors.Join(findings...)
}

func fetchText(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	return string(data), err
}
