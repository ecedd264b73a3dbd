"""
# Languages
"""
