package sandbox

// What the seed makes people and companies of. Domains end in .example, which can never be real; addresses in the net and
// phone numbers are from ranges set aside for documentation.

var firstNames = []string{
	"Amara", "Anton", "Astrid", "Ayla", "Beatriz", "Bjorn", "Camila", "Carlo", "Celine", "Dario", "Diego", "Dilan", "Elena",
	"Elif", "Emil", "Esther", "Farid", "Fatima", "Felix", "Freya", "Gloria", "Goran", "Hana", "Hannes", "Helena", "Hugo",
	"Ines", "Ingrid", "Isak", "Jamal", "Jana", "Joana", "Kaito", "Karin", "Kofi", "Lara", "Leila", "Leon", "Lina", "Lucia",
	"Magnus", "Malik", "Marta", "Mateo", "Maya", "Mei", "Mila", "Milan", "Naomi", "Nadia", "Nikhil", "Nils", "Nora", "Olga",
	"Omar", "Oscar", "Paola", "Pavel", "Petra", "Priya", "Rafael", "Rania", "Ravi", "Rosa", "Ruben", "Saba", "Samir", "Sara",
	"Selma", "Silvia", "Simon", "Sofia", "Sunil", "Tara", "Tariq", "Tessa", "Theo", "Tomas", "Vera", "Viktor", "Wei", "Yara",
	"Yusuf", "Zoe",
}

var lastNames = []string{
	"Abebe", "Alonso", "Andersen", "Arslan", "Bakker", "Barros", "Becker", "Bianchi", "Blom", "Castillo", "Chandra", "Cohen",
	"Costa", "Dahl", "Demir", "Dubois", "Ek", "Eriksen", "Fabre", "Farah", "Ferrari", "Fischer", "Fontaine", "Garcia",
	"Greco", "Haddad", "Hansen", "Hoffmann", "Horvat", "Ibrahim", "Ito", "Iyer", "Jansen", "Jovanovic", "Kaya", "Keller",
	"Khan", "Kowalski", "Kruger", "Laine", "Larsen", "Leclerc", "Lind", "Lopez", "Lund", "Mancini", "Marchetti", "Mensah",
	"Meyer", "Moreau", "Mori", "Nair", "Navarro", "Nguyen", "Novak", "Nyman", "Okafor", "Olsen", "Ortega", "Ozturk", "Park",
	"Patel", "Peeters", "Pereira", "Popescu", "Quist", "Ramos", "Rao", "Reyes", "Ricci", "Rojas", "Romano", "Sandberg",
	"Sato", "Schmidt", "Silva", "Sorensen", "Suzuki", "Takeda", "Tanaka", "Torres", "Usman", "Varga", "Vega", "Virtanen",
	"Wagner", "Weber", "Yilmaz", "Zhang", "Zimmer",
}

// Companies are called after one of each, such as Brightloom.
var (
	companyStarts = []string{
		"Amber", "Anchor", "Beacon", "Blue", "Bright", "Cedar", "Cobalt", "Copper", "Ember", "Falcon", "Granite", "Harbor",
		"Hazel", "Ivory", "Juniper", "Kestrel", "Lantern", "Linden", "Maple", "Marble", "Meadow", "Nimbus", "Opal", "Orchard",
		"Pine", "Prairie", "Quartz", "Raven", "River", "Sable", "Silver", "Stone", "Summit", "Thistle", "Timber", "Vesper",
		"Willow", "Winter", "Wren", "Zephyr",
	}
	companyEnds = []string{
		"bridge", "crest", "dale", "field", "forge", "gate", "haven", "lane", "light", "loom", "mark", "port", "stack", "way",
		"works", "yard",
	}
	companyTrades = []string{
		"", "", "", " Foods", " Freight", " Health", " Insurance", " Labs", " Legal", " Logistics", " Media", " Retail",
		" Robotics", " Software", " Studios", " Textiles", " Travel",
	}
)

// freemail are domains that say nothing of a company.
var freemail = []string{"gmail.com", "outlook.com", "yahoo.com", "icloud.com", "proton.me"}

// A job is what a contact does at their company.
type job struct{ title, role, seniority string }

var jobs = []job{
	{"Head of Operations", "operations", "executive"},
	{"Operations Manager", "operations", "manager"},
	{"Project Manager", "operations", "manager"},
	{"Chief Financial Officer", "finance", "executive"},
	{"Accountant", "finance", ""},
	{"IT Administrator", "information_technology", ""},
	{"Software Engineer", "engineering", ""},
	{"Head of Engineering", "engineering", "director"},
	{"Team Lead Dispatch", "operations", "manager"},
	{"Buyer", "procurement", ""},
	{"Head of Procurement", "procurement", "director"},
	{"Managing Director", "leadership", "executive"},
	{"Founder", "leadership", "executive"},
	{"HR Manager", "human_resources", "manager"},
	{"Data Analyst", "analytics", ""},
}

// A place is where a contact or a user sits.
type place struct {
	location
	state    string // as enrichment spells the region
	timeZone string
	locale   string
}

var places = []place{
	{location{"Malmo", "Skane", "SE", "Sweden", "21119", 55.6, 13.0}, "Skane", "Europe/Stockholm", "sv-SE"},
	{location{"Hamburg", "Hamburg", "DE", "Germany", "20095", 53.55, 9.99}, "Hamburg", "Europe/Berlin", "de-DE"},
	{location{"Lyon", "Auvergne-Rhone-Alpes", "FR", "France", "69002", 45.76, 4.84}, "Auvergne-Rhone-Alpes", "Europe/Paris", "fr-FR"},
	{location{"Porto", "Porto", "PT", "Portugal", "4000", 41.15, -8.61}, "Porto", "Europe/Lisbon", "pt-PT"},
	{location{"Leeds", "England", "GB", "United Kingdom", "LS1", 53.8, -1.55}, "England", "Europe/London", "en-GB"},
	{location{"Utrecht", "Utrecht", "NL", "Netherlands", "3511", 52.09, 5.12}, "Utrecht", "Europe/Amsterdam", "nl-NL"},
	{location{"Boston", "Massachusetts", "US", "United States", "02108", 42.36, -71.06}, "Massachusetts", "America/New_York", "en-US"},
	{location{"Austin", "Texas", "US", "United States", "78701", 30.27, -97.74}, "Texas", "America/Chicago", "en-US"},
	{location{"Portland", "Oregon", "US", "United States", "97201", 45.52, -122.68}, "Oregon", "America/Los_Angeles", "en-US"},
	{location{"Toronto", "Ontario", "CA", "Canada", "M5H", 43.65, -79.38}, "Ontario", "America/Toronto", "en-CA"},
	{location{"Sao Paulo", "Sao Paulo", "BR", "Brazil", "01000", -23.55, -46.63}, "Sao Paulo", "America/Sao_Paulo", "pt-BR"},
	{location{"Bengaluru", "Karnataka", "IN", "India", "560001", 12.97, 77.59}, "Karnataka", "Asia/Kolkata", "en-IN"},
	{location{"Singapore", "Singapore", "SG", "Singapore", "018956", 1.29, 103.85}, "Singapore", "Asia/Singapore", "en-SG"},
	{location{"Melbourne", "Victoria", "AU", "Australia", "3000", -37.81, 144.96}, "Victoria", "Australia/Melbourne", "en-AU"},
}

var userAgents = []string{
	"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:142.0) Gecko/20100101 Firefox/142.0",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
}
