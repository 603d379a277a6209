package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/iotfile-operator/iotfile-operator/internal/devcluster"
)

// probePod is a pod of a team's application that runs a command of hack/cluster/probe. All that it
// has is what an application is given: the token, which is projected, and the authority to trust.
// One in the store's namespace has the store's keys instead.
func (s *suite) probePod(namespace, name string, args ...string) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken: ptr.To(false), RestartPolicy: corev1.RestartPolicyNever, TerminationGracePeriodSeconds: ptr.To(int64(5)),
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: ptr.To(true), RunAsUser: ptr.To(int64(65532)), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{
				Name: "probe", Image: probeImage, ImagePullPolicy: corev1.PullNever, Args: args,
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: ptr.To(false), ReadOnlyRootFilesystem: ptr.To(true), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
			}},
		},
	}
	container := &pod.Spec.Containers[0]
	if namespace == storeNamespace {
		container.Env = []corev1.EnvVar{
			{Name: "STORE_ENDPOINT", Value: "store." + storeNamespace + ".svc:7070"},
			{Name: "STORE_REGION", Value: "us-east-1"},
			{Name: "STORE_ACCESS_KEY", Value: s.accessKey},
			{Name: "STORE_SECRET_KEY", Value: s.secretKey},
		}
		return pod
	}
	pod.Spec.ServiceAccountName = "app"
	container.Env = []corev1.EnvVar{{Name: "IOTFILE_URL", Value: "https://iotfile." + operatorNamespace + ".svc"}}
	token := func(audience, path string) corev1.VolumeProjection {
		return corev1.VolumeProjection{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Audience: audience, Path: path, ExpirationSeconds: ptr.To(int64(600))}}
	}
	pod.Spec.Volumes = []corev1.Volume{
		{Name: "token", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
			Sources: []corev1.VolumeProjection{token(devcluster.Audience, "token"), token("somebody.else", "other-audience")},
		}}},
		{Name: "ca", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "iotfile-ca"}}}},
	}
	container.VolumeMounts = []corev1.VolumeMount{
		{Name: "token", MountPath: "/var/run/secrets/iotfile", ReadOnly: true}, {Name: "ca", MountPath: "/etc/iotfile", ReadOnly: true},
	}
	return pod
}

// probe runs a command to its end and returns what it has printed. It fails when the command does.
func (s *suite) probe(ctx context.Context, namespace string, args ...string) (string, error) {
	name := "probe-" + args[0]
	pods := s.client.CoreV1().Pods(namespace)
	if _, err := pods.Create(ctx, s.probePod(namespace, name, args...), metav1.CreateOptions{}); err != nil {
		return "", err
	}
	defer func() {
		_ = pods.Delete(context.WithoutCancel(ctx), name, metav1.DeleteOptions{GracePeriodSeconds: ptr.To(int64(0))})
	}()
	phase := corev1.PodPending
	err := eventually(ctx, "the pod "+name+" ends", func(ctx context.Context) error {
		pod, err := pods.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if phase = pod.Status.Phase; phase != corev1.PodSucceeded && phase != corev1.PodFailed {
			return fmt.Errorf("it is %s: %s", phase, waiting(pod))
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	stream, err := pods.GetLogs(name, &corev1.PodLogOptions{}).Stream(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = stream.Close() }()
	out, err := io.ReadAll(stream)
	if err != nil {
		return "", err
	}
	if phase != corev1.PodSucceeded {
		return string(out), fmt.Errorf("probe %s failed:\n%s", strings.Join(args, " "), out)
	}
	return string(out), nil
}

// waiting says what the containers of a pod wait for.
func waiting(pod *corev1.Pod) string {
	var reasons []string
	for _, c := range pod.Status.ContainerStatuses {
		if c.State.Waiting != nil {
			reasons = append(reasons, c.State.Waiting.Reason+" "+c.State.Waiting.Message)
		}
	}
	for _, c := range pod.Status.Conditions {
		if c.Status == corev1.ConditionFalse && c.Message != "" {
			reasons = append(reasons, c.Message)
		}
	}
	return strings.Join(reasons, "; ")
}

// podGone waits until a pod is no more.
func (s *suite) podGone(ctx context.Context, namespace, name string) error {
	return eventually(ctx, "the pod "+name+" goes", func(ctx context.Context) error {
		pod, err := s.client.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
		if err == nil {
			return fmt.Errorf("it is there since %s, %s", pod.CreationTimestamp.Format(time.TimeOnly), pod.Status.Phase)
		}
		return ignoreNotFound(err)
	})
}
