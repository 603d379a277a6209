package page

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// TestFolder: a folder is dropped of which two files exist already. Then a large file is paused,
// and another one given up.
func TestFolder(t *testing.T) {
	needNightly(t)
	entity := newEntity()
	disk := t.TempDir()
	folder := filepath.Join(disk, "campaign")
	want := map[string][]byte{}
	for name, size := range map[string]int{
		"replaced.txt": 2000, "kept.txt": 3000, "empty.bin": 0, "day 1/ä#%+&.bin": mib, "day 1/deep/er/large.dat": 12 * mib, "day 2/b.bin": 6 * mib,
	} {
		want[name] = random(size)
		file := filepath.Join(folder, name)
		check(t, os.MkdirAll(filepath.Dir(file), 0o700))
		check(t, os.WriteFile(file, want[name], 0o600))
	}
	rest(t, http.MethodPut, entity, "in/campaign/replaced.txt", random(100))
	want["kept.txt"] = random(200)
	rest(t, http.MethodPut, entity, "in/campaign/kept.txt", want["kept.txt"])
	large := random(32 * mib)
	journey{
		script: "folder.mjs",
		env:    map[string]string{"FOLDER": folder, "LARGE": onDisk(t, "large.bin", large), "GIVEN_UP": onDisk(t, "given-up.bin", large)},
		steps: map[string]func([]string) any{
			"folder": func([]string) any {
				for name, content := range want {
					if len(content) == 0 {
						continue // the API takes no file without a byte
					}
					compare(t, entity, "in/campaign/"+name, content)
				}
				return nil
			},
			"large": func([]string) any {
				compare(t, entity, "in/large.bin", large)
				return nil
			},
			"aborted": func(args []string) any { return waitAborted(t, entity, args[0]) },
		},
	}.run(t, entity)
}

// TestRights: the page of somebody who may do nothing, and then look on.
func TestRights(t *testing.T) {
	needNightly(t)
	entity := newEntity()
	rest(t, http.MethodPut, entity, "of/others.bin?upload=start", nil)
	const namespace, account = devcluster.SampleNamespace, "onlooker"
	kubeconfig, err := system.up.ControlPlane.ServiceAccountKubeconfig(t.Context(), namespace, account)
	check(t, err)
	token, err := system.up.ControlPlane.ServiceAccountToken(t.Context(), namespace, account, time.Hour, devcluster.Audience)
	check(t, err)
	journey{
		script: "rights.mjs",
		caller: &caller{kubeconfig: kubeconfig, token: token},
		env:    map[string]string{"FILE": onDisk(t, "refused.bin", random(1000)), "NAME": "refused.bin"},
		steps: map[string]func([]string) any{
			"grant": func([]string) any {
				check(t, system.kube.Create(t.Context(), &rbacv1.RoleBinding{
					ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: account},
					RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "iotfile-upload-viewer"},
					Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: account}},
				}))
				return nil
			},
			"open": func(args []string) any {
				if u := uploadOf(t, entity, args[0]); u == nil || u.Status.Phase != "Uploading" {
					t.Errorf("the record is %+v", u)
				}
				return nil
			},
		},
	}.run(t, entity)
	rest(t, http.MethodPut, entity, "of/others.bin?upload=abort", nil)
}

// waitAborted waits until an upload is aborted, or its record is gone.
func waitAborted(t *testing.T, entity, path string) any {
	t.Helper()
	eventually(t, "the upload is aborted", func() error {
		if u := uploadOf(t, entity, path); u != nil && u.Status.Phase != "Aborted" {
			return fmt.Errorf("it is %s", u.Status.Phase)
		}
		return nil
	})
	return nil
}
