"""Nouns that mean one thing: what each setting is known by, and what may turn up anywhere.

One noun a line: ``English [plural] | gender German plural | gender French [plural] | flags``. A star after the German
gender marks the weak declension (*der Junge, den Jungen*), a star before a French noun the aspirated h (*le hérisson*).
Left out plurals are regular. Flags say what a scene may do with the thing: ``hold`` it, sit ``on`` it, stand ``under``
it, give it a ``colour``, make it of ``wood`` (or metal) or of ``stone``.
"""

SETTING_NOUNS = {
    "river": """
        waterfall            | m Wasserfall Wasserfälle        | f cascade                |
        bridge               | f Brücke Brücken                | m pont                   | under wood stone
        willow               | f Weide Weiden                  | m saule                  | under
        canoe                | n Kanu Kanus                    | m canoë                  | colour
        heron                | m Reiher Reiher                 | m *héron                 |
        otter                | m Otter Otter                   | f loutre                 |
        frog                 | m Frosch Frösche                | f grenouille             | hold
        rock                 | m Felsen Felsen                 | m rocher                 | on
        raft                 | n Floß Flöße                    | m radeau radeaux         | on
        dragonfly dragonflies| f Libelle Libellen              | f libellule              |
        beaver               | m Biber Biber                   | m castor                 |
        tent                 | n Zelt Zelte                    | f tente                  | colour
        watermill            | f Wassermühle Wassermühlen      | m moulin                 |
        trout trout          | f Forelle Forellen              | f truite                 | hold
    """,
    "office": """
        printer              | m Drucker Drucker               | f imprimante             |
        desk                 | m Schreibtisch Schreibtische    | m bureau bureaux         | on
        computer             | m Computer Computer             | m ordinateur             |
        stapler              | m Tacker Tacker                 | f agrafeuse              | hold colour
        calculator           | m Taschenrechner Taschenrechner | f calculatrice           | hold
        folder               | m Ordner Ordner                 | m classeur               | hold colour
        telephone            | n Telefon Telefone              | m téléphone              | hold colour
        envelope             | m Umschlag Umschläge            | f enveloppe              | hold colour
        bookshelf bookshelves| n Bücherregal Bücherregale      | f étagère                |
        calendar             | m Kalender Kalender             | m calendrier             |
        armchair             | m Sessel Sessel                 | m fauteuil               | on colour
        monitor              | m Bildschirm Bildschirme        | m écran                  |
        wastebasket          | m Papierkorb Papierkörbe        | f corbeille              | colour
        notebook             | n Notizbuch Notizbücher         | m cahier                 | hold colour
    """,
    "street": """
        taxi                 | n Taxi Taxis                    | m taxi                   |
        streetlamp           | f Straßenlaterne Straßenlaternen| m réverbère              | under
        motorcycle           | n Motorrad Motorräder           | f moto                   | colour
        bicycle              | n Fahrrad Fahrräder             | m vélo                   | colour
        tram                 | f Straßenbahn Straßenbahnen     | m tramway                | colour
        kiosk                | m Kiosk Kioske                  | m kiosque                |
        skyscraper           | m Wolkenkratzer Wolkenkratzer   | m gratte-ciel gratte-ciel|
        billboard            | f Werbetafel Werbetafeln        | m panneau panneaux       | under
        pharmacy pharmacies  | f Apotheke Apotheken            | f pharmacie              |
        ambulance            | m Krankenwagen Krankenwagen     | f ambulance              |
        scooter              | m Roller Roller                 | f trottinette            | colour
        truck                | m Lastwagen Lastwagen           | m camion                 | colour
        statue               | f Statue Statuen                | f statue                 | stone
        hotel                | n Hotel Hotels                  | m hôtel                  |
    """,
    "kitchen": """
        oven                 | m Ofen Öfen                     | m four                   |
        fridge               | m Kühlschrank Kühlschränke      | m frigo                  | colour
        kettle               | m Wasserkessel Wasserkessel     | f bouilloire             | hold colour
        pan                  | f Pfanne Pfannen                | f poêle                  | hold
        pot                  | m Topf Töpfe                    | f casserole              | hold colour
        spoon                | m Löffel Löffel                 | f cuillère               | hold wood
        fork                 | f Gabel Gabeln                  | f fourchette             | hold wood
        knife knives         | n Messer Messer                 | m couteau couteaux       | hold
        cake                 | m Kuchen Kuchen                 | m gâteau gâteaux         | hold
        sink                 | n Spülbecken Spülbecken         | m évier                  |
        stool                | m Hocker Hocker                 | m tabouret               | on wood
        toaster              | m Toaster Toaster               | m grille-pain grille-pain| hold
        teapot               | f Teekanne Teekannen            | f théière                | hold colour
        cupboard             | m Schrank Schränke              | m placard                | wood
    """,
    "stadium": """
        referee              | m Schiedsrichter Schiedsrichter | m arbitre                |
        goalkeeper           | m Torwart Torwarte              | m gardien                |
        whistle              | f Trillerpfeife Trillerpfeifen  | m sifflet                | hold
        helmet               | m Helm Helme                    | m casque                 | hold colour
        net                  | n Netz Netze                    | m filet                  |
        goal                 | n Tor Tore                      | m but                    |
        hurdle               | f Hürde Hürden                  | f *haie                  |
        podium               | n Podest Podeste                | m podium                 | on
        stopwatch stopwatches| f Stoppuhr Stoppuhren           | m chronomètre            | hold
        javelin              | m Speer Speere                  | m javelot                | hold
        flag                 | f Fahne Fahnen                  | m drapeau drapeaux       | hold colour
        drum                 | f Trommel Trommeln              | m tambour                | hold colour
        medal                | f Medaille Medaillen            | f médaille               | hold
        grandstand           | f Tribüne Tribünen              | f tribune                |
    """,
    "garden": """
        rake                 | m Rechen Rechen                 | m râteau râteaux         | hold wood
        wheelbarrow          | f Schubkarre Schubkarren        | f brouette               | colour
        greenhouse           | n Gewächshaus Gewächshäuser     | f serre                  |
        fence                | m Zaun Zäune                    | f clôture                | wood
        tulip                | f Tulpe Tulpen                  | f tulipe                 | hold colour
        sunflower            | f Sonnenblume Sonnenblumen      | m tournesol              | hold under
        shovel               | f Schaufel Schaufeln            | f pelle                  | hold wood
        rabbit               | n Kaninchen Kaninchen           | m lapin                  | hold
        butterfly butterflies| m Schmetterling Schmetterlinge  | m papillon               | colour
        hedgehog             | m Igel Igel                     | m *hérisson              |
        scarecrow            | f Vogelscheuche Vogelscheuchen  | m épouvantail            |
        beehive              | m Bienenstock Bienenstöcke      | f ruche                  |
        pumpkin              | m Kürbis Kürbisse               | f citrouille             | hold on
        snail                | f Schnecke Schnecken            | m escargot               | hold
    """,
    "castle": """
        tower                | m Turm Türme                    | f tour                   | stone
        knight               | m Ritter Ritter                 | m chevalier              |
        sword                | n Schwert Schwerter             | f épée                   | hold
        shield               | m Schild Schilde                | m bouclier               | hold colour wood
        throne               | m Thron Throne                  | m trône                  | on wood stone
        dragon               | m* Drache Drachen               | m dragon                 | colour
        crown                | f Krone Kronen                  | f couronne               | hold
        candle               | f Kerze Kerzen                  | f bougie                 | hold colour
        torch torches        | f Fackel Fackeln                | f torche                 | hold
        drawbridge           | f Zugbrücke Zugbrücken          | m pont-levis ponts-levis | under
        banner               | n Banner Banner                 | f bannière               | hold colour under
        fireplace            | m Kamin Kamine                  | f cheminée               | stone
        treasure             | m Schatz Schätze                | m trésor                 |
        cannon               | f Kanone Kanonen                | m canon                  |
    """,
    "harbour": """
        lighthouse           | m Leuchtturm Leuchttürme        | m phare                  |
        anchor               | m Anker Anker                   | f ancre                  |
        sailor               | m* Matrose Matrosen             | m marin                  |
        boat                 | n Boot Boote                    | m bateau bateaux         | colour wood
        container            | m Container Container           | m conteneur              | colour
        lobster              | m Hummer Hummer                 | m *homard                | hold
        seagull              | f Möwe Möwen                    | f mouette                |
        crab                 | f Krabbe Krabben                | m crabe                  | hold
        buoy                 | f Boje Bojen                    | f bouée                  | colour
        barrel               | n Fass Fässer                   | m tonneau tonneaux       | on wood
        jetty jetties        | m Steg Stege                    | m ponton                 | on wood
        rope                 | n Seil Seile                    | f corde                  | hold
        submarine            | n U-Boot U-Boote                | m sous-marin sous-marins | colour
        ferry ferries        | f Fähre Fähren                  | m ferry                  |
    """,
}

NEUTRAL_NOUNS = {
    "person": """
        man men              | m Mann Männer                   | m homme                  |
        woman women          | f Frau Frauen                   | f femme                  |
        boy                  | m* Junge Jungen                 | m garçon                 |
        girl                 | n Mädchen Mädchen               | f fille                  |
    """,
    "animal": """
        dog                  | m Hund Hunde                    | m chien                  |
        cat                  | f Katze Katzen                  | m chat                   |
        horse                | n Pferd Pferde                  | m cheval chevaux         |
        donkey               | m Esel Esel                     | m âne                    |
        goat                 | f Ziege Ziegen                  | f chèvre                 |
    """,
    "thing": """
        ball                 | m Ball Bälle                    | m ballon                 | hold colour
        umbrella             | m Regenschirm Regenschirme      | m parapluie              | hold colour
        bag                  | f Tasche Taschen                | m sac                    | hold colour
        book                 | n Buch Bücher                   | m livre                  | hold colour
        box boxes            | f Kiste Kisten                  | f boîte                  | hold colour wood
        guitar               | f Gitarre Gitarren              | f guitare                | hold colour
        basket               | m Korb Körbe                    | m panier                 | hold
        chair                | m Stuhl Stühle                  | f chaise                 | hold colour wood
        bottle               | f Flasche Flaschen              | f bouteille              | hold colour
        suitcase             | m Koffer Koffer                 | f valise                 | hold colour
        newspaper            | f Zeitung Zeitungen             | m journal journaux       | hold
        apple                | m Apfel Äpfel                   | f pomme                  | hold colour
    """,
    "garment": """
        hat                  | m Hut Hüte                      | m chapeau chapeaux       | colour
        scarf scarves        | m Schal Schals                  | f écharpe                | colour
        jacket               | f Jacke Jacken                  | f veste                  | colour
        coat                 | m Mantel Mäntel                 | m manteau manteaux       | colour
        shirt                | n Hemd Hemden                   | f chemise                | colour
        cap                  | f Mütze Mützen                  | f casquette              | colour
        apron                | f Schürze Schürzen              | m tablier                | colour
    """,
}
