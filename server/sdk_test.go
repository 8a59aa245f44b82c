package server

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/postrider/postrider/core"
)

// sdkGoModels are the fields of the response models of the Svix Go SDK by release and model. Releases
// 1.39 to 1.56 fail on any field that is not in their model, after the server has done the work.
//
//go:embed testdata/sdk-go.json
var sdkGoModels []byte

type sdkModel struct{ Fields, Required []string }

func TestAnswersDecodeInSDKsThatRefuseUnknownFields(t *testing.T) {
	t.Parallel()
	var releases map[string]map[string]sdkModel
	if err := json.Unmarshal(sdkGoModels, &releases); err != nil {
		t.Fatal(err)
	}
	for release, models := range releases {
		language := "go"
		if release == "1.46" {
			language = "java" // its models are the same
		}
		for _, op := range operations(t) {
			for _, r := range rows[op.OperationID] {
				if r.status/100 != 2 {
					continue
				}
				t.Run(release+"/"+op.OperationID+"/"+r.name, func(t *testing.T) {
					t.Parallel()
					f := newFixture(t)
					w := f.send(op.Method, "/api/v1"+f.named(r.path), f.named(r.body),
						"Authorization: Bearer "+f.token(t, bearer(op)), "User-Agent: svix-libs/"+release+".0/"+language)
					if w.Code/100 != 2 {
						t.Fatalf("status = %d: %s", w.Code, w.Body)
					}
					if w.Body.Len() == 0 {
						return
					}
					var body any
					if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
						t.Fatalf("%v: %s", err, w.Body)
					}
					for _, fault := range modelFaults(models, op.Responses[fmt.Sprint(w.Code)].Content.JSON(), body, "body") {
						t.Errorf("%s: %s", op.OperationID, fault)
					}
				})
			}
		}
	}
}

// modelFaults lists the reasons why an SDK with these models cannot decode a value of a schema.
func modelFaults(models map[string]sdkModel, s *schema, value any, where string) (all []string) {
	if s == nil {
		return nil
	}
	name := refName(s.Ref)
	if s.Ref != "" {
		s = contract().Components.Schemas[name]
	}
	if len(s.AllOf) == 1 && s.Properties == nil {
		return modelFaults(models, s.AllOf[0], value, where)
	}
	s = merged(s)
	switch v := value.(type) {
	case []any:
		for i, item := range v {
			all = append(all, modelFaults(models, s.Items, item, fmt.Sprintf("%s[%d]", where, i))...)
		}
	case map[string]any:
		model, known := models[name]
		for field, value := range v {
			if known && !slices.Contains(model.Fields, field) {
				all = append(all, where+"."+field+" is not in the model "+name)
			}
			all = append(all, modelFaults(models, s.Properties[field], value, where+"."+field)...)
		}
		for _, field := range model.Required {
			if _, given := v[field]; !given {
				all = append(all, where+"."+field+" is missing")
			}
		}
	}
	return all
}

func TestAnswersKeepPayloadBytesForEverySDK(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, path := range []string{"/app/one/msg", "/app/one/msg/order-1", "/app/one/endpoint/hook/msg"} {
		w := f.ask(t, http.MethodGet, "/api/v1"+path, "", "User-Agent: svix-libs/1.56.0/go")
		wantStatus(t, w, 200, `"payload":`+oddPayload)
	}
}

// TestAnswersLeaveOutNullsThatOldClientsDoNotKnow is for clients whose User-Agent is replaced by a proxy.
func TestAnswersLeaveOutNullsThatOldClientsDoNotKnow(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for path, field := range map[string]string{
		"/app/one/msg/order-1": "deliverAt", "/app/one/msg": "deliverAt", "/app/one/endpoint/hook/msg": "deliverAt",
		"/app/one/attempt/endpoint/hook?with_msg=true": "deliverAt",
		"/event-type/a.made":                           "featureFlags",
	} {
		w := f.ask(t, http.MethodGet, "/api/v1"+path, "")
		wantStatus(t, w, 200)
		if strings.Contains(w.Body.String(), `"`+field+`"`) {
			t.Errorf("%s answers %s, which is null: %s", path, field, w.Body)
		}
	}
}

const rotatePath = "/api/v1/app/one/endpoint/hook/secret/rotate"

func TestEndpointSecretRotateAnswersWhatTheSDKReads(t *testing.T) {
	t.Parallel()
	const bare, withKey = 204, 200
	for agent, status := range map[string]int{
		"svix-libs/2.6.9/java": bare, "svix-libs/1.56.0/go": bare, "svix-libs/1.24.0/javascript (node 20.1.0)": bare,
		"svix-libs/0.84.1/kotlin": bare, "svix-libs/2.6.0-rc.1/csharp": bare, "shop/1 svix-libs/1.99.1/go": bare,
		"svix-libs/2.7.0/python": withKey, "svix-libs/2.9.0/rust": withKey, "svix-libs/10.0.0/java": withKey,
		"svix-libs/2.7.0-beta.1/python": withKey, "svix-libs/2.10.0/ruby": withKey,
		"": withKey, "curl/8.5.0": withKey, "svix-libs": withKey, "svix-libs/": withKey, "svix-libs//java": withKey,
		"svix-libs/one.two/java": withKey, "svix-libs/-1.2/java": withKey, "svix-libs/2/java": bare,
		"svix-libs/99999999999999999999.1/java": withKey, "my-svix-libs/1.0.0/java": withKey,
	} {
		t.Run(agent, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			w := f.ask(t, http.MethodPost, rotatePath, `{}`, "User-Agent: "+agent)
			wantStatus(t, w, status)
			wantContract(t, operationByID(t, "EndpointSecretRotate"), w)
			secret := f.ask(t, http.MethodGet, strings.TrimSuffix(rotatePath, "/rotate"), "").Body.String()
			if status == withKey && strings.TrimSpace(w.Body.String()) != strings.TrimSpace(secret) {
				t.Errorf("rotate answers %s, and the secret is %s", w.Body, secret)
			}
		})
	}
}

func TestEndpointSecretRotateOfOperationalEndpointsAnswersNothing(t *testing.T) {
	t.Parallel()
	for _, agent := range []string{"svix-libs/1.56.0/go", "svix-libs/2.9.0/python", ""} {
		f := newFixture(t)
		w := f.ask(t, http.MethodPost, "/api/v1/operational-webhook/endpoint/ops/secret/rotate", `{}`, "User-Agent: "+agent)
		if wantStatus(t, w, 204); w.Body.Len() > 0 {
			t.Errorf("%q is answered %s", agent, w.Body)
		}
	}
}

// TestEndpointSecretRotateKeepsNoSecretWithItsKey sends one idempotency key from several clients. The stored answer
// must not contain the secret, and each client must get an answer that it can read.
func TestEndpointSecretRotateKeepsNoSecretWithItsKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	rotate := func(agent string) string {
		w := f.ask(t, http.MethodPost, rotatePath, `{}`, someKey, "User-Agent: "+agent)
		return fmt.Sprint(w.Code, " ", strings.TrimSpace(w.Body.String()))
	}
	first := rotate("svix-libs/2.9.0/python")
	if !strings.HasPrefix(first, `200 {"key":"whsec_`) {
		t.Fatalf("first answer = %s", first)
	}
	for _, k := range f.store.answers {
		if len(k.Body) > 0 {
			t.Errorf("%s is kept", k.Body)
		}
	}
	if again := rotate("svix-libs/2.9.0/python"); again != first {
		t.Errorf("first %s, again %s", first, again)
	}
	if again := rotate("svix-libs/2.6.0/java"); again != "204 " {
		t.Errorf("an older SDK is answered %s", again)
	}
	if f.store.worked != 1 {
		t.Errorf("rotated %d times", f.store.worked)
	}
	f.store.broken = &core.Error{Kind: core.KindUnavailable, Code: "unavailable"}
	if again := rotate("svix-libs/2.9.0/python"); !strings.HasPrefix(again, "503 ") {
		t.Errorf("with the database away it is answered %s", again)
	}
}

// TestEndpointSecretRotateTellsNobodyWhoMayNotReadIt rotates with every set of capabilities. A token that is sent the
// new secret must also be allowed to read it.
func TestEndpointSecretRotateTellsNobodyWhoMayNotReadIt(t *testing.T) {
	t.Parallel()
	all := []core.Capability{
		core.CapabilityViewEndpointSecret, core.CapabilityManageEndpointSecret, core.CapabilityManageEndpoint,
		core.CapabilityManageTransformations, core.CapabilityCreateAttempts,
	}
	for set := range 1 << len(all) {
		has := []core.Capability{core.CapabilityViewBase}
		for i, c := range all {
			if set&(1<<i) != 0 {
				has = append(has, c)
			}
		}
		f := newFixture(t)
		token := "Authorization: Bearer " + f.tokenThat(t, has)
		read := f.send(http.MethodGet, strings.TrimSuffix(rotatePath, "/rotate"), "", token)
		for _, agent := range []string{"svix-libs/2.9.0/python", "svix-libs/2.6.0/java"} {
			rotated := f.send(http.MethodPost, rotatePath, `{}`, token, "User-Agent: "+agent)
			if rotated.Code != 403 && read.Code != 200 || strings.Contains(rotated.Body.String(), "whsec_") && read.Code != 200 {
				t.Errorf("%v: reading is answered %d, rotating %d %s", has, read.Code, rotated.Code, rotated.Body)
			}
		}
	}
}
