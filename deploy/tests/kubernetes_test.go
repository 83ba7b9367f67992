package tests

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

const manifests = "deploy/kubernetes"

// decode reads one manifest as the API server does in strict mode: unknown and duplicate fields are errors.
func decode(manifest []byte) (runtime.Object, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		appsv1.AddToScheme, corev1.AddToScheme, networkingv1.AddToScheme, policyv1.AddToScheme, monitoringv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	decoder := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme,
		json.SerializerOptions{Yaml: true, Strict: true})
	object, _, err := decoder.Decode(manifest, nil, nil)
	return object, err
}

// cluster has the objects of the manifests.
type cluster struct {
	deployment *appsv1.Deployment
	service    *corev1.Service
	settings   *corev1.ConfigMap
	budget     *policyv1.PodDisruptionBudget
	policy     *networkingv1.NetworkPolicy
	secret     *corev1.Secret           // the example
	monitor    *monitoringv1.PodMonitor // not in the kustomization
}

// apply renders the kustomization as `kubectl apply -k` does, and decodes its objects and the two other files.
func apply(t *testing.T) *cluster {
	t.Helper()
	rendered, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(),
		filepath.Join(repository, manifests))
	if err != nil {
		t.Fatal(err)
	}
	documents := [][]byte{[]byte(read(t, manifests+"/secret.example.yaml")), []byte(read(t, manifests+"/podmonitor.yaml"))}
	for _, resource := range rendered.Resources() {
		documents = append(documents, []byte(resource.MustYaml()))
	}
	c := &cluster{}
	for _, document := range documents {
		object, err := decode(document)
		if err != nil {
			t.Fatalf("%v\n%s", err, document)
		}
		switch object := object.(type) {
		case *appsv1.Deployment:
			c.deployment = object
		case *corev1.Service:
			c.service = object
		case *corev1.ConfigMap:
			c.settings = object
		case *policyv1.PodDisruptionBudget:
			c.budget = object
		case *networkingv1.NetworkPolicy:
			c.policy = object
		case *corev1.Secret:
			c.secret = object
		case *monitoringv1.PodMonitor:
			c.monitor = object
		default:
			t.Fatalf("no test covers a %T", object)
		}
	}
	if c.deployment == nil || c.service == nil || c.settings == nil || c.budget == nil || c.policy == nil ||
		c.secret == nil || c.monitor == nil {
		t.Fatalf("something is missing: %+v", c)
	}
	return c
}

func (c *cluster) container() *corev1.Container {
	return &c.deployment.Spec.Template.Spec.Containers[0]
}

// The decoder rejects each mistake.
func TestDecodeIsStrict(t *testing.T) {
	manifest := read(t, manifests+"/deployment.yaml")
	if _, err := decode([]byte(manifest)); err != nil {
		t.Fatal(err)
	}
	for _, mistake := range [][2]string{
		{"readinessProbe:", "readynessProbe:"},
		{"maxSurge: 1", "maxSurges: 1"},
		{"replicas: 3", "replicas: three"},
		{"replicas: 3", "replicas: 3\n  replicas: 4"},
		{"apps/v1", "apps/v2"},
		{"cpu: 250m", "cpu: 250 milli"},
	} {
		wrong := strings.Replace(manifest, mistake[0], mistake[1], 1)
		if _, err := decode([]byte(wrong)); err == nil || wrong == manifest {
			t.Errorf("%s is accepted", mistake[1])
		}
	}
}

// Every selector selects the pods of the deployment. The API accepts an empty selector, which selects all pods or none.
func TestSelectors(t *testing.T) {
	c := apply(t)
	labels := c.deployment.Spec.Template.Labels
	selectors := map[string]*metav1.LabelSelector{
		"Deployment":          c.deployment.Spec.Selector,
		"Service":             {MatchLabels: c.service.Spec.Selector},
		"PodDisruptionBudget": c.budget.Spec.Selector,
		"NetworkPolicy":       &c.policy.Spec.PodSelector,
		"PodMonitor":          &c.monitor.Spec.Selector,
	}
	for _, constraint := range c.deployment.Spec.Template.Spec.TopologySpreadConstraints {
		selectors[constraint.TopologyKey] = constraint.LabelSelector
	}
	for name, selector := range selectors {
		if selector == nil || len(selector.MatchLabels) == 0 {
			t.Errorf("%s selects nothing by name", name)
			continue
		}
		for label, value := range selector.MatchLabels {
			if labels[label] != value {
				t.Errorf("%s selects %s=%s, which the pods do not have", name, label, value)
			}
		}
	}
}

// The alerts and the dashboard select the job that the PodMonitor names.
func TestJob(t *testing.T) {
	c := apply(t)
	job := `job="` + c.deployment.Spec.Template.Labels[c.monitor.Spec.JobLabel] + `"`
	for _, file := range []string{"deploy/prometheus/alerts.yml", "deploy/grafana/dashboard.json"} {
		text := strings.ReplaceAll(read(t, file), `\"`, `"`)
		if all, ours := strings.Count(text, `job="`), strings.Count(text, job); all == 0 || ours != all {
			t.Errorf("%s selects other jobs than %s", file, job)
		}
	}
}

// The port has one name and number everywhere, and the image listens there.
func TestPort(t *testing.T) {
	c := apply(t)
	container := c.container()
	port := container.Ports[0]
	if port.ContainerPort != 8080 || !strings.Contains(read(t, "Dockerfile"), "GATEWAY_LISTEN=:8080\n") {
		t.Errorf("the port is %d", port.ContainerPort)
	}
	names := []string{
		c.service.Spec.Ports[0].TargetPort.String(),
		c.policy.Spec.Ingress[0].Ports[0].Port.String(),
		*c.monitor.Spec.PodMetricsEndpoints[0].Port,
		container.StartupProbe.HTTPGet.Port.String(), container.ReadinessProbe.HTTPGet.Port.String(),
		container.LivenessProbe.HTTPGet.Port.String(),
	}
	if slices.ContainsFunc(names, func(name string) bool { return name != port.Name }) {
		t.Errorf("the port is %s, and used as %q", port.Name, names)
	}
}
