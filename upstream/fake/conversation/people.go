package conversation

// language is a language that calls are made in.
type language uint8

const (
	english language = iota
	french
	spanish
	german
	languages
)

// locale has the names of people and places in a language.
type locale struct {
	code    string
	share   int // of the calls, in percent
	first   [2][]string
	last    []string
	title   [2]string
	ending  [2]string
	agents  []string
	streets []string
}

var locales = [languages]locale{
	english: {
		code: "en", share: 58,
		first: [2][]string{
			{
				"Maureen", "Priya", "Zoë", "Eleanor", "Siobhán", "Chidinma", "Renée", "Hannah", "Keiko", "Lucía", "Abigail",
				"Fatima", "Joanna", "Marisol", "Bethan", "Anneke", "Ruth", "Camille", "Dolores", "Ngozi", "Ingrid", "Tess",
			},
			{
				"Gareth", "Omar", "Desmond", "José", "Callum", "Théo", "Winston", "Søren", "Rajiv", "Patrick", "Emeka", "Miguel",
				"Leonard", "Tomasz", "Hiro", "Björn", "Marcus", "Declan", "Yusuf", "Elliot", "Franklin", "Andrés",
			},
		},
		last: []string{
			"Hargreave", "Okonkwo", "Brontë", "Castellanos", "Whitlock", "Ó Briain", "Nakamura", "Pemberton", "Delacroix",
			"Abernathy", "Singh", "Lindqvist", "Fairweather", "Núñez", "Tremblay", "Kowalczyk", "Ashdown", "Mbeki",
			"Sandoval", "Greaves", "Holloway", "Marchetti", "Ferreira", "Yilmaz", "Quigley", "Thornbury", "Haddad", "Ekström",
		},
		title: [2]string{"Ms.", "Mr."}, agents: []string{"Clara", "Maya", "Sophie", "June", "Ellie", "Nora"},
		streets: []string{
			"Larkspur Lane", "Old Mill Road", "Cedar Court", "Harbour Street", "St Aldric's Terrace", "Juniper Avenue",
			"Quarry Hill", "Fenwick Row", "Magnolia Drive", "Station Parade", "Bellwether Street", "Rookery Close",
		},
	},
	french: {
		code: "fr", share: 17,
		first: [2][]string{
			{
				"Éloïse", "Françoise", "Maëlle", "Aïcha", "Bérénice", "Margaux", "Noémie", "Solène", "Geneviève", "Yasmine",
				"Agnès",
			},
			{"Loïc", "Rémi", "Étienne", "François", "Mamadou", "Gaël", "Joël", "Sébastien", "Benoît", "Karim", "Cédric"},
		},
		last: []string{
			"Lefèvre", "Béranger", "Delaunay", "N'Guessan", "Château", "Le Goff", "Montaigu", "Pélissier", "Bouaziz", "Garçon",
			"Vaillancourt", "d'Aubrac", "Ménard", "Thévenot", "Ruzé", "Castaing",
		},
		title: [2]string{"Madame", "Monsieur"}, ending: [2]string{"e", ""},
		agents: []string{"Camille", "Inès", "Louise", "Élise"},
		streets: []string{
			"rue des Tanneurs", "avenue de la Gare", "impasse du Lavoir", "rue de l'Église", "quai aux Fleurs",
			"chemin des Vergers",
			"place du Marché-Neuf", "allée des Érables",
		},
	},
	spanish: {
		code: "es", share: 13,
		first: [2][]string{
			{"Begoña", "Inés", "Rocío", "Ángela", "Pilar", "Ximena", "Nuria", "Belén", "Concepción", "Itziar"},
			{"Íñigo", "Raúl", "Joaquín", "Andrés", "Germán", "Ramón", "Tomás", "Nicolás", "Adrián", "Matías"},
		},
		last: []string{
			"Ibáñez", "Zubizarreta", "Peñalver", "Quiñones", "Etxebarria", "Muñoz Vela", "Carballo", "Güell", "Santamaría",
			"Cifuentes", "Alarcón", "Ordóñez", "Villaseñor", "Rebolledo",
		},
		title: [2]string{"señora", "señor"}, ending: [2]string{"a", "o"},
		agents: []string{"Lucía", "Carmen", "Irene", "Alba"},
		streets: []string{
			"calle del Olivo", "avenida de los Naranjos", "calle Mayor Baja", "paseo de la Ribera", "plaza de la Alfarería",
			"calle San Telmo", "travesía del Molino",
		},
	},
	german: {
		code: "de", share: 12,
		first: [2][]string{
			{"Käthe", "Annegret", "Jördis", "Ayşe", "Mareike", "Hannelore", "Svenja", "Ulrike", "Franziska", "Bärbel"},
			{"Jürgen", "Günther", "Matthias", "Björn", "Cem", "Thorben", "Lukas", "Götz", "Wolfgang", "Jörg"},
		},
		last: []string{
			"Großkopf", "Müller-Lahnstein", "Weißenfels", "Öztürk", "Brömmelkamp", "Schäfer", "Rödelheim", "Krüger",
			"Löwenstein",
			"Haßlinger", "Petersen", "Zöllner", "Fröhlich", "von Ahlefeld",
		},
		title:  [2]string{"Frau", "Herr"},
		agents: []string{"Lena", "Mia", "Johanna", "Greta"},
		streets: []string{
			"Lindenstraße", "Am Mühlbach", "Gänsemarkt", "Kastanienweg", "Schlossgraben", "Alte Poststraße", "Zum Köhlerwald",
		},
	},
}
