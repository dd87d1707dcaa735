"""English words of more than one translation, and what in the picture decides between their senses.

Lines are those of `nouns`, with ``word:sense`` and the deciding fact in front. A ``+`` after the plural marks a noun
that is always plural (*glasses, lunettes*).
"""

BY_SETTING = """
    bat:animal      river   | bat                 | f Fledermaus Fledermäuse        | f chauve-souris chauves-souris |
    bat:club        stadium | bat                 | m Schläger Schläger             | f batte                        |
    crane:bird      river   | crane               | m Kranich Kraniche              | f grue                         |
    crane:machine   harbour | crane               | m Kran Kräne                    | f grue                         |
    bank:shore      river   | bank                | n Ufer Ufer                     | f rive                         |
    bank:money      street  | bank                | f Bank Banken                   | f banque                       |
    lock:canal      river   | lock                | f Schleuse Schleusen            | f écluse                       |
    lock:door       castle  | lock                | n Schloss Schlösser             | f serrure                      |
    pen:writing     office  | pen                 | m Stift Stifte                  | m stylo                        |
    pen:animals     garden  | pen                 | n Gehege Gehege                 | m enclos enclos                |
    ruler:measure   office  | ruler               | n Lineal Lineale                | f règle                        |
    ruler:king      castle  | ruler               | m Herrscher Herrscher           | m souverain                    |
    glasses:eyes    office  | glass glasses +     | f Brille Brillen                | f lunette lunettes +           |
    glasses:drink   kitchen | glass glasses +     | n Glas Gläser +                 | m verre verres +               |
    key:keyboard    office  | key                 | f Taste Tasten                  | f touche                       |
    key:door        castle  | key                 | m Schlüssel Schlüssel           | f clé                          |
    fan:machine     office  | fan                 | m Ventilator Ventilatoren       | m ventilateur                  |
    fan:supporter   stadium | fan                 | m Fan Fans                      | m supporter                    |
    table:chart     office  | table               | f Tabelle Tabellen              | m tableau tableaux             |
    table:furniture kitchen | table               | m Tisch Tische                  | f table                        |
    coach:bus       street  | coach coaches       | m Reisebus Reisebusse           | m autocar                      |
    coach:trainer   stadium | coach coaches       | m Trainer Trainer               | m entraîneur                   |
    plant:factory   street  | plant               | f Fabrik Fabriken               | f usine                        |
    plant:flower    garden  | plant               | f Pflanze Pflanzen              | f plante                       |
    pitcher:jug     kitchen | pitcher             | m Krug Krüge                    | f cruche                       |
    pitcher:player  stadium | pitcher             | m Werfer Werfer                 | m lanceur                      |
    vessel:bowl     kitchen | vessel              | n Gefäß Gefäße                  | m récipient                    |
    vessel:ship     harbour | vessel              | n Schiff Schiffe                | m navire                       |
    cup:tea         kitchen | cup                 | f Tasse Tassen                  | f tasse                        |
    cup:prize       stadium | cup                 | m Pokal Pokale                  | f coupe                        |
    mole:animal     garden  | mole                | m Maulwurf Maulwürfe            | f taupe                        |
    mole:pier       harbour | mole                | f Mole Molen                    | m môle                         |
    seal:stamp      castle  | seal                | n Siegel Siegel                 | m sceau sceaux                 |
    seal:animal     harbour | seal                | f Robbe Robben                  | m phoque                       |
    bow:weapon      castle  | bow                 | m Bogen Bögen                   | m arc                          |
    bow:ship        harbour | bow                 | m Bug Buge                      | f proue                        |
"""

BY_FIGURE = """
    doctor:man      man     | doctor              | m Arzt Ärzte                    | m docteur                      |
    doctor:woman    woman   | doctor              | f Ärztin Ärztinnen              | f docteure                     |
    nurse:man       man     | nurse               | m Krankenpfleger Krankenpfleger | m infirmier                    |
    nurse:woman     woman   | nurse               | f Krankenschwester Krankenschwestern | f infirmière              |
    teacher:man     man     | teacher             | m Lehrer Lehrer                 | m enseignant                   |
    teacher:woman   woman   | teacher             | f Lehrerin Lehrerinnen          | f enseignante                  |
    student:man     man     | student             | m* Student Studenten            | m étudiant                     |
    student:woman   woman   | student             | f Studentin Studentinnen        | f étudiante                    |
    singer:man      man     | singer              | m Sänger Sänger                 | m chanteur                     |
    singer:woman    woman   | singer              | f Sängerin Sängerinnen          | f chanteuse                    |
    farmer:man      man     | farmer              | m* Bauer Bauern                 | m fermier                      |
    farmer:woman    woman   | farmer              | f Bäuerin Bäuerinnen            | f fermière                     |
"""
