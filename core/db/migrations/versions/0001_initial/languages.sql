-- The renames of core/languages.json as a constant: the function is inlined, and a lookup takes no table.
CREATE FUNCTION present_language(sent TEXT) RETURNS TEXT LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(jsonb '{
        "AGC": "Apollo Guidance Computer", "AL Code": "AL", "ASP": "Classic ASP", "Bro": "Zeek",
        "Coq": "Rocq Prover", "Cucumber": "Gherkin", "DNS zone": "DNS Zone", "Datomic": "edn", "Delphi": "Pascal",
        "Docker File": "Dockerfile", "EML": "E-mail", "Ecl": "ECL", "FORTRAN": "Fortran",
        "FreeBasic": "FreeBASIC", "GAS": "Unix Assembly", "Genero": "Genero 4gl", "Genero Forms": "Genero per",
        "Groff": "Roff", "HOW": "FLUX", "HTML+Django": "Jinja", "HaXe": "Haxe", "HyPhy Batch Language": "HyPhy",
        "Jade": "Pug", "KiCad": "KiCad Layout", "KiCad Board": "KiCad Legacy Layout",
        "KoLMafia ASH": "KoLmafia ASH", "LaTeX": "TeX", "Mathematica": "Wolfram Language", "Matlab": "MATLAB",
        "Max/MSP": "Max", "MediaWiki": "Wikitext", "Mediawiki": "Wikitext", "Moonscript": "MoonScript",
        "Nimrod": "Nim", "PAWN": "Pawn", "Perl 6": "Raku", "Perl6": "Raku", "Powershell": "PowerShell",
        "RHTML": "HTML+ERB", "RTF": "Rich Text Format", "Ragel in Ruby Host": "Ragel", "Red language": "Red",
        "Rusthon": "Python", "SaltStack": "Salt", "Sublime Text Config": "JSON with Comments",
        "TI Code": "TI Program", "TI PRGM": "TI Program", "Vim Script": "Vim script", "VimL": "Vim script",
        "Visual Basic": "Visual Basic .NET", "XPM": "X PixMap", "just": "Just", "omnetpp-msg": "OMNeT++ MSG",
        "omnetpp-ned": "OMNeT++ NED", "robots.txt": "Robots Exclusion Rules", "text": "Text", "wdl": "WDL",
        "zone": "DNS Zone"
    }' ->> sent, sent)
$$;
COMMENT ON FUNCTION present_language(TEXT) IS 'What Linguist now calls the language that GitHub sent; others keep their name';
