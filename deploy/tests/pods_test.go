package tests

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// The pods pass Kubernetes' own check of its strictest standard, and are a little stricter.
func TestPodsAreConfined(t *testing.T) {
	template := apply(t).deployment.Spec.Template
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	violations := func(spec *corev1.PodSpec) (reasons []string) {
		for _, result := range evaluator.EvaluatePod(restricted, &template.ObjectMeta, spec) {
			if !result.Allowed {
				reasons = append(reasons, result.ForbiddenReason)
			}
		}
		return reasons
	}
	if reasons := violations(&template.Spec); len(reasons) > 0 {
		t.Error(reasons)
	}
	weaker := template.Spec.DeepCopy()
	weaker.Containers[0].SecurityContext.Capabilities = nil
	if len(violations(weaker)) != 1 {
		t.Error("the check accepts a container with capabilities")
	}
	if *template.Spec.AutomountServiceAccountToken ||
		!*template.Spec.Containers[0].SecurityContext.ReadOnlyRootFilesystem {
		t.Error("the pods have a token for the API, or may write their files")
	}
}

// A replica that stops has time for both parts of stopping, and no replica stops before another is ready.
func TestPodsStop(t *testing.T) {
	c := apply(t)
	rolling := c.deployment.Spec.Strategy.RollingUpdate
	if *c.deployment.Spec.Replicas < 2 || rolling.MaxUnavailable.IntValue() != 0 || rolling.MaxSurge.IntValue() < 1 ||
		c.budget.Spec.MaxUnavailable.IntValue() != 1 {
		t.Errorf("got %+v, %+v", rolling, c.budget.Spec)
	}
	takes := duration(t, c.settings.Data["GATEWAY_DRAIN_DELAY"]) + drainTimeout(t)
	grace := time.Duration(*c.deployment.Spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second
	if grace < takes+2*time.Second {
		t.Errorf("stopping takes %v, and they are killed after %v", takes, grace)
	}
}

// The caches leave two fifths of the memory limit, which the gateway detects, for requests.
func TestPodsFitTheirMemory(t *testing.T) {
	c := apply(t)
	bytes := func(text string) int64 {
		quantity, err := resource.ParseQuantity(strings.TrimSuffix(text, "B")) // 1MiB is 1Mi there
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		return quantity.Value()
	}
	kept := int64(0)
	for _, name := range []string{"GATEWAY_CACHE_BYTES", "GATEWAY_ANSWER_BYTES", "GATEWAY_APQ_BYTES"} {
		kept += bytes(c.settings.Data[name])
	}
	if limit := c.container().Resources.Limits.Memory().Value(); limit < kept*5/3 {
		t.Errorf("kept: %d, limit: %d", kept, limit)
	}
}

// The gateway accepts the environment of its pods, and the files of the key and the tokens are where the pods mount
// them.
func TestPodsHaveValidSettings(t *testing.T) {
	c := apply(t)
	container, volume := c.container(), c.deployment.Spec.Template.Spec.Volumes[0].Secret
	if len(container.EnvFrom) != 1 || container.EnvFrom[0].ConfigMapRef.Name != c.settings.Name ||
		volume.SecretName != c.secret.Name {
		t.Fatalf("the pods take their settings elsewhere: %+v, %+v", container.EnvFrom, volume)
	}
	settings := maps.Clone(c.settings.Data)
	folder := t.TempDir()
	for _, item := range volume.Items {
		content, ok := c.secret.StringData[item.Key]
		if !ok {
			t.Errorf("the example of a Secret has no %s", item.Key)
		}
		if err := os.WriteFile(filepath.Join(folder, item.Path), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"REVOX_API_KEY_FILE", "GATEWAY_TOKENS_FILE"} {
		file, ok := strings.CutPrefix(settings[name], container.VolumeMounts[0].MountPath+"/")
		if !ok {
			t.Errorf("%s is %s, outside of what is mounted", name, settings[name])
		}
		settings[name] = filepath.Join(folder, file)
	}
	settings["GATEWAY_LISTEN"] = ":8080" // the image's
	check := func() (string, error) {
		var env []string
		for _, name := range slices.Sorted(maps.Keys(settings)) {
			env = append(env, name+"="+settings[name])
		}
		return gateway(t, env, "--check")
	}
	if out, err := check(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	delete(settings, "GATEWAY_TOKENS_FILE")
	if out, err := check(); err == nil {
		t.Errorf("it would serve everybody: %s", out)
	}
}
