"""
# Account
"""
