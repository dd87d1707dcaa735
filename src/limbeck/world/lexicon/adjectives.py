"""Adjectives: ``English | German stem [predicative] | French masculine feminine plurals place``.

French ``before`` or ``after`` the noun; *vieil*-like forms before a vowel follow ``before``. A material is a compound
in German (*Holzstuhl*) and a phrase in French (*en bois*).
"""

ADJECTIVES = {
    "any": """
        small      | klein            | petit petite petits petites before
        big        | groß             | grand grande grands grandes before
        old        | alt              | vieux vieille vieux vieilles before vieil
        beautiful  | schön            | beau belle beaux belles before bel
        strange    | seltsam          | étrange étrange étranges étranges after
    """,
    "thing": """
        new        | neu              | neuf neuve neufs neuves after
        heavy      | schwer           | lourd lourde lourds lourdes after
        dirty      | schmutzig        | sale sale sales sales after
        clean      | sauber           | propre propre propres propres after
    """,
    "adult": """
        young      | jung             | jeune jeune jeunes jeunes before
        tall       | groß             | grand grande grands grandes after
    """,
    "person": """
        happy      | glücklich        | heureux heureuse heureux heureuses after
        tired      | müd müde         | fatigué fatiguée fatigués fatiguées after
        sad        | traurig          | triste triste tristes tristes after
        friendly   | freundlich       | aimable aimable aimables aimables after
    """,
    "colour": """
        red        | rot              | rouge rouge rouges rouges after
        blue       | blau             | bleu bleue bleus bleues after
        green      | grün             | vert verte verts vertes after
        yellow     | gelb             | jaune jaune jaunes jaunes after
        black      | schwarz          | noir noire noirs noires after
        white      | weiß             | blanc blanche blancs blanches after
        grey       | grau             | gris grise gris grises after
        purple     | violett          | violet violette violets violettes after
    """,
    "material": """
        wooden     | Holz             | en bois
        metal      | Metall           | en métal
        stone      | Stein            | en pierre
    """,
}
