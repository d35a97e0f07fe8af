package resolvers

// contactWords and accountWords say which field of an input Drift means by its
// words about a contact or an account.
var (
	contactWords = map[string]string{"tags": "attributes.tags"}
	accountWords = map[string]string{
		"ownerid": "ownerId", "owner": "ownerId", "user": "ownerId",
		"domain": "domain", "name": "name", "customproperties": "customProperties", "property": "customProperties",
	}
)
