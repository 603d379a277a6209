package devcluster

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// seaweedPorts is the number of ports of a server: S3, master, volume and filer, each with one for
// gRPC, which else would be ten thousand higher and could be anybody's.
const seaweedPorts = 8

// seaweedFS completes the spec of a SeaweedFS process, which is master, volume server, filer and S3
// API in one.
func (s *ObjectStore) seaweedFS(spec *processSpec, ports []int) error {
	data := filepath.Join(s.dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	type object = map[string]any
	identities, err := json.Marshal(object{"identities": []object{{
		"name":        "administrator",
		"credentials": []object{{"accessKey": s.AccessKey, "secretKey": s.SecretKey}},
		"actions":     []string{"Admin", "Read", "Write", "List", "Tagging"},
	}}})
	if err != nil {
		return err
	}
	config := filepath.Join(s.dir, "s3.json")
	if err := writeFile(config, identities); err != nil {
		return err
	}
	spec.args = []string{
		"-logtostderr", "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-dir=" + data,
		"-volume.max=100", "-master.volumeSizeLimitMB=256", "-filer", "-s3", "-s3.config=" + config,
	}
	for i, name := range []string{"s3", "master", "volume", "filer"} {
		spec.args = append(spec.args, fmt.Sprintf("-%s.port=%d", name, ports[2*i]), fmt.Sprintf("-%s.port.grpc=%d", name, ports[2*i+1]))
	}
	return nil
}
