package s3

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/iotfile-operator/iotfile-operator/api/v1alpha1"
	"github.com/iotfile-operator/iotfile-operator/internal/filestore"
)

// What becomes part of a URL or of a header is bounded here once more, although the schema of
// FileStore has the same patterns: objects may be older than the schema, and the keys of a Secret
// have none. The region matters most, since minio-go puts it into the host name of the token
// service that the operator's web identity token is sent to.
var (
	hostPattern   = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?([.][A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?)*[.]?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$`)
	regionPattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$`)
	bucketPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)
	dottedQuad    = regexp.MustCompile(`^[0-9]+[.][0-9]+[.][0-9]+[.][0-9]+$`)
	// noPrefix finds what no key may hold, as in the schema of the prefix.
	noPrefix = regexp.MustCompile(`(^|/)([.]{0,2})/|[\x00-\x1f\x7f-\x{9f}\x{fffe}\x{ffff}]`)
	// Access keys stand between commas in the header Authorization, session tokens are a header of
	// their own.
	accessKeyPattern    = regexp.MustCompile(`^[!-+\--~]+$`)
	sessionTokenPattern = regexp.MustCompile(`^[!-~]*$`)
)

const (
	maxRegionBytes       = 63
	maxPrefixBytes       = 512 * utf8.UTFMax
	maxAccessKeyBytes    = 512
	maxSessionTokenBytes = 16 << 10
	maxPort              = 1<<16 - 1
)

// checkFields refuses a Config of which anything could leave its place in a URL or a header. The
// error never holds a credential.
func checkFields(cfg filestore.Config) error {
	switch {
	case !isRegion(cfg.Region):
		return invalid("region %q is not one: it must be letters, digits and dashes, at most %d", clip(cfg.Region), maxRegionBytes)
	case !isBucket(cfg.Bucket):
		return invalid("bucket %q is not the name of one", clip(cfg.Bucket))
	case !isPrefix(cfg.Prefix):
		return invalid("prefix %q is not one: it must end with a slash, and hold no empty segment and no control character", clip(cfg.Prefix))
	}
	switch cfg.AddressingStyle {
	case "", v1alpha1.AddressingAuto, v1alpha1.AddressingPath, v1alpha1.AddressingVirtualHosted:
	default:
		return invalid("unknown addressing style %q", clip(string(cfg.AddressingStyle)))
	}
	if _, ok := payloads[cfg.PayloadMode]; !ok && cfg.PayloadMode != "" {
		return invalid("unknown payload mode %q", clip(string(cfg.PayloadMode)))
	}
	return checkCredentials(cfg.Credentials)
}

func isRegion(region string) bool {
	return region == "" || len(region) <= maxRegionBytes && regionPattern.MatchString(region)
}

func isBucket(bucket string) bool {
	return len(bucket) >= 3 && len(bucket) <= 63 && bucketPattern.MatchString(bucket) && !dottedQuad.MatchString(bucket)
}

func isPrefix(prefix string) bool {
	return prefix == "" || len(prefix) <= maxPrefixBytes && strings.HasSuffix(prefix, "/") && utf8.ValidString(prefix) && !noPrefix.MatchString(prefix)
}

func checkCredentials(c *filestore.Credentials) error {
	switch {
	case c == nil:
		return nil
	case len(c.AccessKeyID) > maxAccessKeyBytes || !accessKeyPattern.MatchString(c.AccessKeyID):
		return invalid("the access key ID of the Secret holds characters that none has, such as a line break at its end")
	case strings.ContainsAny(c.SecretAccessKey, "\r\n\x00"):
		return invalid("the secret access key of the Secret holds a line break: it is probably at its end")
	case len(c.SessionToken) > maxSessionTokenBytes || !sessionTokenPattern.MatchString(c.SessionToken):
		return invalid("the session token of the Secret holds characters that none has, such as a line break at its end")
	}
	return nil
}

// parseEndpoint takes a URL of scheme and host only. The error never holds what may be a password.
func parseEndpoint(endpoint string) (*url.URL, error) {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil:
		return nil, invalid("endpoint is not a URL")
	case u.User != nil:
		return nil, invalid("endpoint must not hold credentials")
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.Path != "" && u.Path != "/", strings.ContainsAny(endpoint, "?#"):
		return nil, invalid("endpoint %q is not a URL of scheme and host only", clip(endpoint))
	}
	port, err := strconv.Atoi(u.Port())
	if !hostPattern.MatchString(u.Host) || u.Port() != "" && (err != nil || port < 1 || port > maxPort) {
		return nil, invalid("endpoint %q has no host name, or no port from 1 to %d", clip(endpoint), maxPort)
	}
	return u, nil
}

// clip keeps a message short, whatever is in the spec.
func clip(s string) string {
	const limit = 100
	if len(s) > limit {
		return s[:limit] + "…"
	}
	return s
}
