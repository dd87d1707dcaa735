"""Verbs: ``English third-person -ing [particle] | German singular plural [particle] | French singular plural``.

German particles go to the end of the main clause (*sieht ... an*) and join the verb in a subordinate one (*ansieht*). A
French form ``est+assis`` is *être* with a word that agrees with the subject; ``est_debout`` with one that does not.
"""

VERBS = {
    # What can be done to anything, so that the verb tells nothing of its object.
    "regard": """
        look looks looking at                        | sieht sehen an              | regarde regardent
        paint paints painting                        | malt malen                  | peint peignent
        draw draws drawing                           | zeichnet zeichnen           | dessine dessinent
        photograph photographs photographing         | fotografiert fotografieren  | photographie photographient
        watch watches watching                       | beobachtet beobachten       | observe observent
        admire admires admiring                      | bewundert bewundern         | admire admirent
        describe describes describing                | beschreibt beschreiben      | décrit décrivent
        look looks looking for                       | sucht suchen                | cherche cherchent
        film films filming                           | filmt filmen                | filme filment
    """,
    # What takes a thing one can hold.
    "handle": """
        hold holds holding                           | hält halten                 | tient tiennent
        carry carries carrying                       | trägt tragen                | porte portent
        throw throws throwing                        | wirft werfen                | lance lancent
        pick picks picking up                        | hebt heben auf              | ramasse ramassent
        clean cleans cleaning                        | putzt putzen                | nettoie nettoient
        buy buys buying                              | kauft kaufen                | achète achètent
        sell sells selling                           | verkauft verkaufen          | vend vendent
        show shows showing                           | zeigt zeigen                | montre montrent
        hide hides hiding                            | versteckt verstecken        | cache cachent
        lift lifts lifting                           | hebt heben hoch             | soulève soulèvent
    """,
    # What people and animals do without an object ...
    "rest": """
        sit sits sitting                             | sitzt sitzen                | est+assis sont+assis
        stand stands standing                        | steht stehen                | est_debout sont_debout
        sleep sleeps sleeping                        | schläft schlafen            | dort dorment
        wait waits waiting                           | wartet warten               | attend attendent
        play plays playing                           | spielt spielen              | joue jouent
        eat eats eating                              | isst essen                  | mange mangent
        drink drinks drinking                        | trinkt trinken              | boit boivent
        jump jumps jumping                           | springt springen            | saute sautent
    """,
    # ... and what only people do.
    "act": """
        laugh laughs laughing                        | lacht lachen                | rit rient
        read reads reading                           | liest lesen                 | lit lisent
        dance dances dancing                         | tanzt tanzen                | danse dansent
        sing sings singing                           | singt singen                | chante chantent
        smile smiles smiling                         | lächelt lächeln             | sourit sourient
        work works working                           | arbeitet arbeiten           | travaille travaillent
        cry cries crying                             | weint weinen                | pleure pleurent
        shout shouts shouting                        | ruft rufen                  | crie crient
    """,
    "move": """
        run runs running                             | rennt rennen                | court courent
        walk walks walking                           | geht gehen                  | marche marchent
        crawl crawls crawling                        | kriecht kriechen            | rampe rampent
        march marches marching                       | marschiert marschieren      | défile défilent
    """,
}
