package generated

import "testing"

// The table of enum names that the generated code reads has each name of the schema.
func TestEveryEnumNameIsDecoded(t *testing.T) {
	schema := Schema()
	ec := executionContext{}
	for _, value := range schema.Types["CallOrderStatus"].EnumValues {
		status, err := ec.unmarshalNCallOrderStatus2revoxᚑgraphqlᚋupstreamᚐOrderStatus(t.Context(), value.Name)
		if status == "" || err != nil {
			t.Errorf("%s: %v", value.Name, err)
		}
	}
	for _, value := range schema.Types["TranscriptRole"].EnumValues {
		role, err := ec.unmarshalNTranscriptRole2revoxᚑgraphqlᚋupstreamᚐTranscriptRole(t.Context(), value.Name)
		if role == 0 || err != nil {
			t.Errorf("%s: %v", value.Name, err)
		}
	}
}
